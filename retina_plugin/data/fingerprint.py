"""The fingerprint of a data set: a hash of what is trained on."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

__all__ = ["data_fingerprint"]


def data_fingerprint(dataset: Iterable[dict[str, Any]]) -> str:
    """Hash of names, sizes, boxes and labels of all images in their order; 16 hexadecimal digits.

    Folders are left out, so that data can be moved. Pixels are left out because every image would have to be read.
    """
    found_hash = hashlib.sha256()
    for image in dataset:
        objects = [
            (list(found["bbox"]), found["category_id"], found.get("iscrowd", 0))
            for found in image.get("annotations", ())
        ]
        size = image.get("height"), image.get("width")
        found_hash.update(repr((Path(image["file_name"]).name, size, objects)).encode())
    return found_hash.hexdigest()[:16]
