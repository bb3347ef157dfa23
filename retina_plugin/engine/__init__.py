"""Training, evaluation and checkpoints."""

from .checkpoint import CheckpointError, RunCheckpointer, find_weights
from .train import do_test, do_train, main

__all__ = ["CheckpointError", "RunCheckpointer", "do_test", "do_train", "find_weights", "main"]
