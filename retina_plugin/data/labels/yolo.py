"""Labels of YOLO: one .txt file per image, with a line per object, and the names of the classes in another file."""

import math
from pathlib import Path
from typing import Any

import yaml
from PIL import ExifTags, Image, UnidentifiedImageError

from ...printable import first_line, shown
from ..errors import DataError
from ..image_reader import IMAGE_SUFFIXES
from .text import read_text

_NAMES = ("data.yaml", "dataset.yaml", "classes.txt", "obj.names")
_FOLDERS_ABOVE = 3  # number of parent folders in which these are searched
_ON_ITS_SIDE = (5, 6, 7, 8)  # values of EXIF's Orientation


def read_yolo(labels: Path, image_root: Path, classes: list[str] | None) -> dict[str, Any]:
    """The content of a COCO json with the labels of a folder.

    Each line is a class, from 0, and the centre, width and height of a box as shares of the image; or a class and the
    corners of a polygon, whose bounding box is taken. Images without a file, or with an empty one, are background.

    Args:
        labels: the folder, such as labels/train.
        image_root: the folder of the images, such as images/train. Its image a/b.jpg has the labels a/b.txt.
        classes: names in the order of their numbers; None for `names` in data.yaml or dataset.yaml, or the lines of
            classes.txt or obj.names, in the folder of the labels or up to three folders above.

    Raises:
        DataError: naming file and line, for what cannot be read; also if no names are found.
    """
    classes = _find_names(labels) if classes is None else classes
    paths = sorted(p for p in image_root.rglob("*") if p.suffix.lower() in IMAGE_SUFFIXES and p.is_file())
    if not paths:
        raise DataError(f"{shown(image_root)} holds no image")
    images, annotations = [], []
    for i, path in enumerate(paths, 1):
        name = path.relative_to(image_root)
        width, height = _size(path)
        images.append({"id": i, "file_name": str(name), "width": width, "height": height})
        for category, box in _boxes((labels / name).with_suffix(".txt"), len(classes), width, height):
            found = {"image_id": i, "category_id": category + 1, "bbox": box, "iscrowd": 0}
            annotations.append(found | {"id": len(annotations) + 1, "area": box[2] * box[3]})
    categories = [{"id": i, "name": name} for i, name in enumerate(classes, 1)]
    return {"images": images, "annotations": annotations, "categories": categories}


def _boxes(path: Path, num_classes: int, width: int, height: int) -> list[tuple[int, list[float]]]:
    """Class and box in XYWH pixels of every line; an empty list without a file."""
    if not path.is_file():
        return []
    found = []
    for number, line in enumerate(read_text(path).splitlines(), 1):
        if not line.strip():
            continue
        try:
            category, *values = (_finite(word) for word in line.split())
            x, y, w, h = values if len(values) == 4 else _around(values)
        except ValueError:
            raise DataError(
                f"{shown(path)}, line {number}: {shown(line)} is neither a class with x, y, width and height, nor a "
                "class with a polygon"
            ) from None
        if category != int(category) or not 0 <= category < num_classes:
            raise DataError(f"{shown(path)}, line {number}: class {category:g} is not in 0 to {num_classes - 1}")
        if max(abs(x), abs(y), w, h) > 1.5:
            raise DataError(f"{shown(path)}, line {number}: {shown(line)} must have shares of the image, not pixels")
        if min(w, h) < 0:
            raise DataError(f"{shown(path)}, line {number}: {shown(line)} has a negative width or height")
        found.append((int(category), [(x - w / 2) * width, (y - h / 2) * height, w * width, h * height]))
    return found


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
    except (OSError, UnidentifiedImageError, ValueError) as e:
        raise DataError(f"cannot read image {shown(path)}: {first_line(e)}") from e


def _orientation(image: Image.Image) -> int | None:
    try:
        return Image.Image.getexif(image).get(ExifTags.Base.Orientation)  # PNG's own would decode all pixels
    except Exception:  # a damaged tag, which read_image ignores, too
        return None


def files_of_names(labels: Path) -> list[Path]:
    """Files that may hold the class names of a folder of labels, in order of precedence."""
    folders = [labels, *labels.resolve().parents[:_FOLDERS_ABOVE]]
    return [folder / name for folder in folders for name in _NAMES]


def _find_names(labels: Path) -> list[str]:
    for path in files_of_names(labels):
        if path.is_file():
            return _read_names(path)
    raise DataError(
        f"{shown(labels)} has no names of classes: put data.yaml or classes.txt beside it, or set classes "
        "(data.classes=[cat,dog] in the config of custom data)"
    )


def _read_names(path: Path) -> list[str]:
    if path.suffix != ".yaml":
        return [line.strip() for line in read_text(path).splitlines() if line.strip()]
    try:
        content = yaml.safe_load(read_text(path))
        names = content["names"]
        found = [names[i] for i in range(len(names))]  # a list, or a mapping from 0
    except (yaml.YAMLError, KeyError, TypeError, ValueError) as e:
        raise DataError(f"{shown(path)} has no list of names: {first_line(e)}") from e
    if isinstance(names, str) or any(isinstance(name, bool) for name in found):
        raise DataError(f"{shown(path)}: names is {shown(names)}: write a list, with yes, no, on and off in quotes")
    return [str(name) for name in found]
