"""Data sets and mappers. Importing this registers "bccd_*" and "coco_mini_*" with Detectron2."""

from .builtin import register_builtin
from .coco import DataError, count_classes, dataset_metadata, register_coco
from .mapper import CheckedDatasetMapper
from .synthetic import SyntheticDials, register_synthetic

__all__ = [
    "CheckedDatasetMapper",
    "DataError",
    "SyntheticDials",
    "count_classes",
    "dataset_metadata",
    "register_coco",
    "register_synthetic",
]

register_builtin()
