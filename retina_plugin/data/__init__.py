"""Data sets and mappers. Importing this registers "bccd_*" and "coco_mini_*" with Detectron2."""

from .builtin import register_builtin
from .coco import DataError, count_classes, dataset_metadata, register_coco
from .fingerprint import data_fingerprint
from .loader import TrainLoader, build_train_loader, named_worker_death
from .mapper import CheckedDatasetMapper
from .synthetic import SyntheticDials, register_synthetic

__all__ = [
    "CheckedDatasetMapper",
    "DataError",
    "SyntheticDials",
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
