"""Labels of YOLO: one .txt file per image, with a line per object, and the names of the classes in another file."""

import logging
import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from PIL import ExifTags, Image

from ...printable import first_line, shown
from ..errors import DataError
from ..image_reader import IMAGE_SUFFIXES
from .text import is_hidden, read_text
from .yolo_names import FILES, find_names

logger = logging.getLogger(__name__)
_ON_ITS_SIDE = (5, 6, 7, 8)  # values of EXIF's Orientation


def read_yolo(labels: Path, image_root: Path, classes: list[str] | None) -> dict[str, Any]:
    """The content of a COCO json with the labels of a folder.

    Each line is a class, from 0, and the centre, width and height of a box as shares of the image; or a class and the
    corners of a polygon, whose bounding box is taken. Images without a file, or with an empty one, are background.
    Hidden files are left out. A warning says how many files belong to no image: other images may share the folder of
    labels.

    Args:
        labels: the folder, such as labels/train.
        image_root: the folder of the images, such as images/train. Its image a/b.jpg has the labels a/b.txt.
        classes: names in the order of their numbers; None for `names` in data.yaml or dataset.yaml, or the lines of
            classes.txt or obj.names, in the folder of the labels or up to three folders above.

    Raises:
        DataError: naming file and line, for what cannot be read; also if no names are found, or if no label file
            belongs to an image.
    """
    classes = find_names(labels) if classes is None else classes
    paths = sorted(p for p in image_root.rglob("*") if p.suffix.lower() in IMAGE_SUFFIXES and p.is_file())
    if not (paths := [path for path in paths if not is_hidden(path, image_root)]):
        raise DataError(f"{shown(image_root)} holds no image")
    names = [path.relative_to(image_root) for path in paths]
    files = [(labels / name).with_suffix(".txt") for name in names]
    _check_images_of(labels, files, image_root)
    images, annotations = [], []
    for i, (path, name, file) in enumerate(zip(paths, names, files, strict=True), 1):
        width, height = _size(path)
        images.append({"id": i, "file_name": str(name), "width": width, "height": height})
        for category, box in _boxes(file, classes, width, height):
            found = {"image_id": i, "category_id": category + 1, "bbox": box, "iscrowd": 0}
            annotations.append(found | {"id": len(annotations) + 1, "area": box[2] * box[3]})
    categories = [{"id": i, "name": name} for i, name in enumerate(classes, 1)]
    return {"images": images, "annotations": annotations, "categories": categories}


def label_files(labels: Path) -> Iterator[Path]:
    """The .txt files below a folder, without hidden ones and those that name classes."""
    return (path for path in labels.rglob("*.txt") if path.name not in FILES and not is_hidden(path, labels))


def _check_images_of(labels: Path, files: Sequence[Path], image_root: Path) -> None:
    """Warn of label files that are not among `files`, those of the images; DataError if none of `files` exists."""
    if not (alone := sorted(set(label_files(labels)).difference(files))):
        return
    if not any(map(Path.is_file, files)):
        raise DataError(
            f"{shown(labels)}: no image of {shown(image_root)} has a label file, so that all would be background: "
            f"that of the first image would be {shown(files[0])}, but there are others, such as {shown(alone[0])}"
        )
    logger.warning(
        "%s: %d label files, such as %s, have no image in %s and are not used",
        shown(labels), len(alone), shown(alone[0]), shown(image_root),
    )  # fmt: skip


def _boxes(path: Path, classes: list[str], width: int, height: int) -> list[tuple[int, list[float]]]:
    """Class and box in XYWH pixels of every line; an empty list without a file."""
    if not path.is_file():
        return []
    lines = [(number, line) for number, line in enumerate(read_text(path).splitlines(), 1) if line.strip()]
    found = [_parse(line, f"{shown(path)}, line {number}", classes) for number, line in lines]
    return [
        (category, [(x - w / 2) * width, (y - h / 2) * height, w * width, h * height]) for category, x, y, w, h in found
    ]


def _parse(line: str, where: str, classes: list[str]) -> tuple[int, float, float, float, float]:
    """Class, centre x and y, width and height as shares of the image; `where` begins the message of a DataError."""
    try:
        category, *values = (_finite(word) for word in line.split())
        x, y, w, h = values if len(values) == 4 else _around(values)
    except ValueError:
        raise DataError(
            f"{where}: {shown(line)} is neither a class with x, y, width and height, nor a class with a polygon: write "
            "numbers with spaces between them, the class first"
        ) from None
    if category != int(category) or not 0 <= category < len(classes):
        raise DataError(
            f"{where}: class {category:g} is not in 0 to {len(classes) - 1}, the numbers of {shown(classes)}: correct "
            "it, or name more classes"
        )
    if max(abs(x), abs(y), w, h) > 1.5:
        raise DataError(
            f"{where}: {shown(line)} must have shares of the image, not pixels: divide x and width by the image's "
            "width, y and height by its height"
        )
    if min(w, h) < 0:
        raise DataError(
            f"{where}: {shown(line)} has a negative width or height: after the class come the centre x, y, then width "
            "and height"
        )
    return int(category), x, y, w, h


def _finite(word: str) -> float:
    """The number in a word; ValueError if it is not a finite number."""
    if not math.isfinite(value := float(word)):
        raise ValueError("not finite")
    return value


def _around(corners: list[float]) -> tuple[float, float, float, float]:
    """Centre, width and height of a polygon x, y, x, y, ...; ValueError for fewer than three corners."""
    xs, ys = corners[::2], corners[1::2]
    if len(xs) != len(ys) or len(xs) < 3:
        raise ValueError("not a polygon")
    w, h = max(xs) - min(xs), max(ys) - min(ys)
    return min(xs) + w / 2, min(ys) + h / 2, w, h


def _size(path: Path) -> tuple[int, int]:
    """Width and height after the rotation by the EXIF tag, as `read_image` gives them."""
    try:
        with Image.open(path) as image:
            width, height = image.size
            is_turned = image.format != "TIFF" and _orientation(image) in _ON_ITS_SIDE  # PIL turns TIFFs itself
            return (height, width) if is_turned else (width, height)
    except Exception as e:  # PIL raises almost any error, also for images that are too large
        raise DataError(f"cannot read image {shown(path)}: {first_line(e)}") from e


def _orientation(image: Image.Image) -> int | None:
    try:
        return Image.Image.getexif(image).get(ExifTags.Base.Orientation)  # PNG's own would decode all pixels
    except Exception:  # a damaged tag, which read_image ignores, too
        return None
