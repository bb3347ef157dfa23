"""Errors of checkpoints."""


class CheckpointError(ValueError):
    """A checkpoint that cannot be used; the message names the file."""


class UnsafeCheckpointError(CheckpointError):
    """A checkpoint that asks for a Python object that weights do not need; the message names it."""
