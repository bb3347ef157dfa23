"""COCO json files: registered with Detectron2, read when they are used, and checked then."""

from __future__ import annotations

import difflib
import functools
from pathlib import Path
from typing import Any

from detectron2.data import DatasetCatalog, Metadata, MetadataCatalog
from detectron2.data.datasets import load_coco_json

from .coco_check import DataError, check_coco_json

__all__ = ["DataError", "count_classes", "dataset_metadata", "register_coco"]


def register_coco(json_file: str | Path, image_root: str | Path, name: str | None = None, hint: str = "") -> str:
    """Register a COCO json and the folder of its images; return the name for Detectron2's catalogs.

    Files are read when the data set is used; a bad file then raises DataError.

    Args:
        json_file: a file in COCO's detection format.
        image_root: the folder of the images that the json names.
        name: name of the data set; by default the path of the json.
        hint: advice for the message if the json is missing.
    """
    name = name or str(json_file)
    if name in DatasetCatalog.list():
        known = MetadataCatalog.get(name)
        if (known.json_file, known.image_root) == (str(json_file), str(image_root)):
            return name
        DatasetCatalog.remove(name)
        MetadataCatalog.remove(name)
    DatasetCatalog.register(name, functools.partial(_load, str(json_file), str(image_root), name, hint))
    MetadataCatalog.get(name).set(json_file=str(json_file), image_root=str(image_root), evaluator_type="coco")
    return name


def _load(json_file: str, image_root: str, name: str, hint: str) -> list[dict[str, Any]]:
    check_coco_json(json_file, hint)
    if not Path(image_root).is_dir():
        raise DataError(f"{image_root}, the image folder of {json_file}, does not exist")
    return load_coco_json(json_file, image_root, name)


def count_classes(dataset_name: str) -> int:
    """Number of categories of a registered data set, read from its files.

    Raises:
        DataError: if they cannot be read.
    """
    return len(dataset_metadata(dataset_name).thing_classes)


def dataset_metadata(dataset_name: str) -> Metadata:
    """Detectron2's metadata of a registered data set with its class names, which are read from its files if necessary.

    Raises:
        DataError: if the name is not registered or its files cannot be read.
    """
    if dataset_name not in DatasetCatalog.list():
        near = difflib.get_close_matches(dataset_name, DatasetCatalog.list(), n=3)
        raise DataError(f"no data set is registered as {dataset_name!r}; similar names: {near}")
    metadata = MetadataCatalog.get(dataset_name)
    if "thing_classes" not in metadata.as_dict():
        DatasetCatalog.get(dataset_name)
    return metadata
