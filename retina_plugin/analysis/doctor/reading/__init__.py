"""Reads data sets and image files for the checks, also those that training would refuse."""
