"""Read and write weights without running code in the files, and a checkpointer for Detectron2."""

from .checkpointer import SafeCheckpointer
from .class_rows import ClassNames, ClassRows
from .errors import CheckpointError, UnsafeCheckpointError
from .initial_weights import InitialWeights
from .reading import read_content, read_weights
from .safetensors_file import write_safetensors

__all__ = [
    "CheckpointError",
    "ClassNames",
    "ClassRows",
    "InitialWeights",
    "SafeCheckpointer",
    "UnsafeCheckpointError",
    "read_content",
    "read_weights",
    "write_safetensors",
]
