"""Data sets, mappers and the training loader. Importing this registers "bccd_*" and "coco_mini_*" with Detectron2."""

from .coco import class_names, count_classes, dataset_metadata, dataset_names, register_builtin, register_coco
from .errors import DataError
from .image_reader import pixels_of, read_image
from .loader import TrainLoader, build_train_loader, data_fingerprint, named_worker_death
from .mapper import CheckedDatasetMapper, largest_edge
from .split import register_split
from .synthetic import SyntheticSettings, register_synthetic

__all__ = [
    "CheckedDatasetMapper",
    "DataError",
    "SyntheticSettings",
    "TrainLoader",
    "build_train_loader",
    "class_names",
    "count_classes",
    "data_fingerprint",
    "dataset_metadata",
    "dataset_names",
    "largest_edge",
    "named_worker_death",
    "pixels_of",
    "read_image",
    "register_coco",
    "register_split",
    "register_synthetic",
]

register_builtin()

SyntheticDials = SyntheticSettings  # its former name
