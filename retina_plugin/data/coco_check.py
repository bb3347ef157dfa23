"""Checks whether a file is a COCO detection json that can be trained on."""

import json
import math
from collections.abc import Iterable
from pathlib import Path
from typing import Any


class DataError(ValueError):
    """Data that cannot be used; the message names the file."""


def check_coco_json(path: str | Path, hint: str = "") -> None:
    """Raise DataError if `path` is not a COCO detection json that can be trained on, with `hint` if it is missing."""
    content = _read(Path(path), hint)
    for key in ("images", "annotations", "categories"):
        if not isinstance(content, dict) or not isinstance(content.get(key), list):
            raise DataError(f"{path} is not in COCO's format: {key!r} is not a list")
    if not content["images"]:
        raise DataError(f"{path} lists no images")
    if not content["categories"]:
        raise DataError(f"{path} declares no categories")
    try:
        _check_ids(path, content)
        for annotation in content["annotations"]:
            _check_box(path, annotation)
    except KeyError as e:
        raise DataError(f"{path} has an entry without {e}, which COCO's format requires") from e
    except TypeError as e:
        raise DataError(f"{path} is not in COCO's format: {e}") from e


def _read(path: Path, hint: str) -> Any:
    if not path.is_file():
        raise DataError(f"{path} does not exist" + (f": {hint}" if hint else ""))
    text = path.read_text()
    if not text.strip():
        raise DataError(f"{path} is empty")
    try:
        return json.loads(text)
    except json.JSONDecodeError as e:
        raise DataError(f"{path} is not json: {e}") from e


def _check_ids(path: str | Path, content: dict[str, Any]) -> None:
    categories = _unique(path, "category", (c["id"] for c in content["categories"] if c["name"]))
    images = _unique(path, "image", (i["id"] for i in content["images"]))
    _unique(path, "annotation", (a["id"] for a in content["annotations"]))
    for image in content["images"]:
        image["file_name"], image["width"], image["height"]
    for annotation in content["annotations"]:
        for key, declared in (("category_id", categories), ("image_id", images)):
            if annotation[key] not in declared:
                name = f"{path}: annotation {annotation['id']}"
                raise DataError(f"{name} has {key} {annotation[key]}, which is not declared")


def _unique(path: str | Path, what: str, ids: Iterable[int]) -> set[int]:
    seen: set[int] = set()
    for i in ids:
        if i in seen:
            raise DataError(f"{path} declares {what} id {i} twice")
        seen.add(i)
    return seen


def _check_box(path: str | Path, annotation: dict[str, Any]) -> None:
    name, box = f"{path}: annotation {annotation['id']}", annotation["bbox"]
    if annotation.get("ignore"):
        raise DataError(f"{name} is marked 'ignore', which Detectron2 ignores; use 'iscrowd'")
    finite = isinstance(box, list) and all(isinstance(x, int | float) and math.isfinite(x) for x in box)
    if not finite or len(box) != 4:
        raise DataError(f"{name} has bbox {box} instead of four finite numbers x, y, width, height")
