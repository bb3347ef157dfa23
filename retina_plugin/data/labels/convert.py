"""A COCO json from the labels of PASCAL VOC or YOLO, as Detectron2 and COCO's evaluator need one."""

import hashlib
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ...files import cache_folder, write_json
from ...printable import shown
from ..errors import DataError
from ..image_reader import check_image_root
from .voc import folder_of_labels, is_voc, read_voc
from .yolo import label_files, read_yolo
from .yolo_names import files_of_names

_converted: dict[tuple[object, ...], Path] = {}  # by arguments and state of files, for this process


def as_coco_json(labels: str | Path, image_root: str | Path, classes: Sequence[str] | None = None) -> Path:
    """Path of the COCO json of a data set, which is written if the labels have another format.

    `labels` is a COCO json; a folder of PASCAL VOC's .xml files, or a list such as ImageSets/Main/train.txt beside it;
    or a folder of YOLO's .txt files. The json is in $RETINA_PLUGIN_CACHE or ~/.cache/retina_plugin, under a name that
    depends on its content. `classes` are the names in the order of their labels; by default they are found as
    in `read_voc` and `read_yolo`. A process converts again only if a file has changed.

    Raises:
        DataError: naming the file and line that cannot be read; also if `classes` is no list of different names.
    """
    labels, image_root = Path(labels), Path(image_root)
    classes = None if classes is None else _checked(classes)
    if labels.suffix.lower() in (".yaml", ".yml") and labels.is_file():
        raise DataError(
            f"{shown(labels)} holds no labels: name the folder of YOLO's .txt files, such as labels/train; data.yaml "
            "near it gives the names of the classes"
        )
    if labels.suffix != ".txt" and not os.path.isdir(labels):  # a json, maybe in a folder that must not be read
        return labels
    if not labels.exists():
        raise DataError(f"{shown(labels)}, a list of images, does not exist")
    cache = cache_folder()
    asked = (labels.absolute(), image_root.absolute(), repr(classes), cache, _state(labels, image_root))
    path = _converted.get(asked)
    if path is None or not path.is_file():
        path = _converted[asked] = _write(_read(labels, image_root, classes), cache)
    return path


def _checked(classes: Sequence[str]) -> list[str]:
    names = list(classes) if isinstance(classes, Sequence) and not isinstance(classes, str) else []
    if not names or not all(isinstance(name, str) for name in names) or len(set(names)) < len(names):
        raise DataError(
            f"classes must be a list of different names, such as [cat,dog], got {shown(names or classes)}: a name like "
            "a number, true or null needs quotes"
        )
    return names


def _write(content: dict[str, Any], cache: Path) -> Path:
    key = hashlib.sha256(json.dumps(content).encode()).hexdigest()[:10]
    path = cache / f"labels_{key}" / "instances.json"
    if not path.is_file():
        write_json(path, content)
    return path


def _state(labels: Path, image_root: Path) -> str:
    """A hash of the names, modification times and sizes of all files that `_read` may read."""
    files = [str(path) for path in (labels, *files_of_names(labels))]
    for folder in (folder_of_labels(labels), image_root):  # os.walk takes a fraction of the time of Path.rglob
        files += [os.path.join(parent, name) for parent, _, names in os.walk(folder) for name in names]
    states = [(file, os.stat(file)) for file in files if os.path.isfile(file)]
    texts = sorted(f"{file} {stat.st_mtime_ns} {stat.st_size}" for file, stat in states)
    return hashlib.sha256("\n".join(texts).encode(errors="surrogateescape")).hexdigest()


def _read(labels: Path, image_root: Path, classes: list[str] | None) -> dict[str, Any]:
    check_image_root(labels, image_root)
    if is_voc(labels):
        return read_voc(labels, image_root, classes)
    if (inner := labels / "Annotations").is_dir() and is_voc(inner) and (labels / "ImageSets").is_dir():
        raise DataError(
            f"{shown(labels)} is the root of a PASCAL VOC data set: name its folder Annotations, or its list "
            "ImageSets/Main/train.txt"
        )
    if any(label_files(labels)):
        return read_yolo(labels, image_root, classes)
    raise DataError(
        f"{shown(labels)} is a folder without labels: name a COCO json, a folder that has .xml files of PASCAL VOC in "
        "it, or a folder of .txt files of YOLO"
    )
