"""A COCO json from the labels of PASCAL VOC or YOLO, as Detectron2 and COCO's evaluator need one."""

import hashlib
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ...files import shown, write_json
from ..errors import DataError
from .voc import read_voc
from .yolo import read_yolo


def as_coco_json(labels: str | Path, image_root: str | Path, classes: Sequence[str] | None = None) -> Path:
    """The COCO json of a data set, which is written if the labels have another form.

    `labels` is a COCO json; a folder of PASCAL VOC's .xml files, or a list such as ImageSets/Main/train.txt beside it;
    or a folder of YOLO's .txt files. The json is in $RETINA_PLUGIN_CACHE or ~/.cache/retina_plugin, under a name that
    depends on its content. `classes` are the names in the order of their labels; by default those that the labels
    declare (see `read_voc` and `read_yolo`).

    Raises:
        DataError: naming the file and line that cannot be read.
    """
    labels = Path(labels)
    if not labels.is_dir() and labels.suffix != ".txt":
        return labels
    content = _read(labels, Path(image_root), None if classes is None else list(classes))
    key = hashlib.sha256(json.dumps(content).encode()).hexdigest()[:10]
    cache = os.environ.get("RETINA_PLUGIN_CACHE", "~/.cache/retina_plugin")
    path = Path(cache).expanduser() / f"labels_{key}" / "instances.json"
    if not path.is_file():
        path.parent.mkdir(parents=True, exist_ok=True)
        write_json(path, content)
    return path


def _read(labels: Path, image_root: Path, classes: list[str] | None) -> dict[str, Any]:
    if not image_root.is_dir():
        raise DataError(f"{shown(image_root)}, the image folder of {shown(labels)}, is not a folder")
    if labels.is_file():
        return read_voc(labels, image_root, classes)
    suffixes = {path.suffix for path in labels.iterdir()}
    if ".xml" in suffixes:
        return read_voc(labels, image_root, classes)
    if ".txt" in suffixes:
        return read_yolo(labels, image_root, classes)
    raise DataError(
        f"{shown(labels)} is a folder without labels: name a COCO json, a folder of .xml files of PASCAL VOC, or a "
        "folder of .txt files of YOLO"
    )
