"""Tuning of a study's variants with the same budget for each, on data that the study's test never sees."""
