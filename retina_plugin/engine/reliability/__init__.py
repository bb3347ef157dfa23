"""Exact and safe training: guards, signals, comparison with the start of a run, verification."""
