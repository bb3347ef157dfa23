"""Training, evaluation and checkpoints."""

from ..run_folder import find_weights
from .checkpoint import CheckpointError, RunCheckpointer
from .train import do_test, do_train, main

__all__ = ["CheckpointError", "RunCheckpointer", "do_test", "do_train", "find_weights", "main"]
