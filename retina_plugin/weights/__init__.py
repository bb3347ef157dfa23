"""Weights from files, without running code in them: reading, writing, and a checkpointer for Detectron2."""

from .checkpointer import SafeCheckpointer
from .errors import CheckpointError, UnsafeCheckpointError
from .reading import read_content, read_weights
from .safetensors_file import write_safetensors

__all__ = [
    "CheckpointError",
    "SafeCheckpointer",
    "UnsafeCheckpointError",
    "read_content",
    "read_weights",
    "write_safetensors",
]
