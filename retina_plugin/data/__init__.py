"""Data sets, mappers and the training loader. Importing this registers "bccd_*" and "coco_mini_*" with Detectron2."""

from typing import Any

from .builtin import register_builtin
from .coco import DataError, count_classes, dataset_metadata, register_coco
from .fingerprint import data_fingerprint
from .loader import TrainLoader, build_train_loader, named_worker_death
from .mapper import CheckedDatasetMapper
from .synthetic import SyntheticSettings, register_synthetic

__all__ = [
    "CheckedDatasetMapper",
    "DataError",
    "SyntheticSettings",
    "TrainLoader",
    "build_train_loader",
    "count_classes",
    "data_fingerprint",
    "dataset_metadata",
    "named_worker_death",
    "register_coco",
    "register_synthetic",
]

register_builtin()


def __getattr__(name: str) -> Any:
    """Former names: SyntheticDials is now SyntheticSettings."""
    if name == "SyntheticDials":
        return SyntheticSettings
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
