"""What a data set trains on, as one short text."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

__all__ = ["data_fingerprint"]


def data_fingerprint(dataset: Iterable[dict[str, Any]]) -> str:
    """Hash of names, sizes, boxes and labels of all images in their order; 16 hexadecimal digits.

    Folders do not count, so that data may move; nor do the pixels, which would take a reading of every image.
    """
    digest = hashlib.sha256()
    for image in dataset:
        objects = [
            (list(found["bbox"]), found["category_id"], found.get("iscrowd", 0))
            for found in image.get("annotations", ())
        ]
        size = image.get("height"), image.get("width")
        digest.update(repr((Path(image["file_name"]).name, size, objects)).encode())
    return digest.hexdigest()[:16]
