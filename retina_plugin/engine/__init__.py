"""Training, evaluation and checkpoints."""

from .checkpoint import RunCheckpointer
from .train import do_train, main

__all__ = ["RunCheckpointer", "do_train", "main"]
