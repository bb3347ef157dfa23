"""Finds faults of annotations with a detector that was trained on them, and repairs a copy."""
