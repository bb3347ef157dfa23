"""Weights from files that are data and no programs: reading, writing, Detectron2's checkpointer on top."""

from .checkpointer import SafeCheckpointer
from .errors import CheckpointError, UnsafeCheckpointError
from .reading import read_weights
from .safetensors_file import write_safetensors

__all__ = [
    "CheckpointError",
    "SafeCheckpointer",
    "UnsafeCheckpointError",
    "read_weights",
    "write_safetensors",
]
