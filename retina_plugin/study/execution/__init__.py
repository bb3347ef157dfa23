"""The runs of a study: preparation, execution, recorded ends and results."""
