"""One study in every cell of a grid of settings, and a map of the verdicts."""
