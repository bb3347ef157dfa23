"""Labels of PASCAL VOC: one .xml file per image."""

import math
from collections import Counter
from collections.abc import Collection
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from ...printable import first_line, shown
from ..errors import DataError
from ..image_reader import IMAGE_SUFFIXES
from .text import is_hidden, read_text


def read_voc(labels: Path, image_root: Path, classes: list[str] | None) -> dict[str, Any]:
    """The content of a COCO json with the labels of a folder, or of the images that a list names.

    Boxes are as in Detectron2's reader: corners count pixels from 1, so 1 is subtracted from xmin and ymin.
    Difficult objects become crowds: they neither train nor count. An image has the name of its .xml file.

    Args:
        labels: the folder, such as Annotations; or a list of names such as ImageSets/Main/train.txt, whose labels are
            in Annotations two folders above it.
        image_root: the folder of the images, such as JPEGImages.
        classes: names in the order of their labels; None for all names in the folder in alphabetical order, so that all
            lists of one folder agree.

    Raises:
        DataError: naming the file, if it cannot be read, or names a class that is not in `classes`.
    """
    folder = folder_of_labels(labels)
    if not folder.is_dir():
        raise DataError(
            f"{shown(labels)} is read as a list of PASCAL VOC, such as ImageSets/Main/train.txt, whose labels would be "
            f"in {shown(folder)}, which is not a folder: name the folder of labels, also for labels of YOLO"
        )
    paths = {path.stem: path for path in sorted(folder.glob("*.xml")) if not is_hidden(path, folder)}
    names = list(paths) if labels.is_dir() else _listed(labels, paths)
    if missing := [name for name in names if name not in paths]:
        raise DataError(
            f"{shown(labels)}: {len(missing)} labels do not exist, such as {shown(folder / missing[0])}.xml: put them "
            "there, or remove their lines"
        )
    listed = set(names)
    parsed = {name: _parse(path, name in listed) for name, path in paths.items()}
    if classes is None:
        classes = sorted({category for _, objects in parsed.values() for category, *_ in objects})
    numbers = {name: i for i, name in enumerate(classes, 1)}
    images, annotations = [], []
    in_order = sorted(image_root.iterdir(), reverse=True)  # so that a.jpg is used rather than a.png
    files = {path.stem: path.name for path in in_order if path.suffix.lower() in IMAGE_SUFFIXES}
    for i, name in enumerate(names, 1):
        (width, height), objects = parsed[name]
        file_name = files.get(name, f"{name}.jpg")  # without an image, the error on reading names this file
        images.append({"id": i, "file_name": file_name, "width": width, "height": height})
        for category, box, difficult in objects:
            if category not in numbers:
                raise DataError(
                    f"{shown(folder / name)}.xml: class {shown(category)} is not one of {shown(classes)}: correct it, "
                    "or name it among the classes (data.classes in the config of custom data)"
                )
            found = {"image_id": i, "category_id": numbers[category], "bbox": box, "iscrowd": difficult}
            annotations.append(found | {"id": len(annotations) + 1, "area": box[2] * box[3]})
    categories = [{"id": i, "name": name} for name, i in numbers.items()]
    return {"images": images, "annotations": annotations, "categories": categories}


def is_voc(labels: Path) -> bool:
    """Whether labels, which are no COCO json, are PASCAL VOC's; a file is a list of images and counts as such.

    Raises DataError for a folder with some .xml files among more .txt files.
    """
    if labels.is_file():
        return True
    shown_files = (path for path in labels.iterdir() if not is_hidden(path, labels))
    found = Counter(path.suffix for path in shown_files if path.name != "classes.txt")
    if 0 < found[".xml"] < found[".txt"]:
        raise DataError(f"{shown(labels)} has {found['.xml']} .xml and {found['.txt']} .txt files: move one kind away")
    return found[".xml"] > 0


def folder_of_labels(labels: Path) -> Path:
    """The folder with the labels for a list of images; `labels` itself if it is a folder."""
    return labels if labels.is_dir() else labels.parent.parent.parent / "Annotations"


def _listed(path: Path, known: Collection[str]) -> list[str]:
    """The name in every line: the whole line if that is known, as names may have spaces, otherwise its first word."""
    lines = [line.strip() for line in read_text(path).splitlines() if line.strip()]
    return [line if line in known else _name_in(line, known) for line in lines]


def _name_in(line: str, known: Collection[str]) -> str:
    """The name in a line of a list of one class, such as "my photo  -1", or of a list of names alone."""
    before_number = line.rpartition(" ")[0].rstrip()
    return before_number if before_number in known else line.split()[0]


def _parse(path: Path, is_listed: bool) -> tuple[tuple[int, int], list[tuple[str, list[float], int]]]:
    """Width and height, zeros unless listed; and class, box in XYWH pixels and difficult (0 or 1) of every object."""
    root, objects = _root(path), []
    for number, found in enumerate(root.iter("object"), 1):
        where = f"{shown(path)}, object {number}"
        x0, y0, x1, y1 = (_number(found, f"bndbox/{key}", where) for key in ("xmin", "ymin", "xmax", "ymax"))
        if x1 < x0 or y1 < y0:
            raise DataError(f"{where}: a box from ({x0:g}, {y0:g}) to ({x1:g}, {y1:g}): swap its corners")
        box = [x0 - 1, y0 - 1, x1 - x0 + 1, y1 - y0 + 1]
        objects.append((_text(found, "name", where), box, int(found.findtext("difficult", "0").strip() == "1")))
    return _size(root, path) if is_listed else (0, 0), objects


def _size(root: ElementTree.Element, path: Path) -> tuple[int, int]:
    width, height = (int(_number(root, f"size/{key}", shown(path))) for key in ("width", "height"))
    if min(width, height) < 1:
        raise DataError(f"{shown(path)}: size is {width} x {height}: write the width and height of the image in pixels")
    return width, height


def _root(path: Path) -> ElementTree.Element:
    try:
        return ElementTree.parse(path).getroot()
    except (ElementTree.ParseError, OSError, ValueError, LookupError) as e:  # LookupError: its encoding is unknown
        what = f"cannot be read as xml: {first_line(e)}" if path.stat().st_size else "it is empty"
        raise DataError(
            f"{shown(path)} is not a label file of PASCAL VOC: {what}: write <annotation> with size and objects"
        ) from e


def _text(element: ElementTree.Element, key: str, where: str) -> str:
    """The text of the element `key`; DataError, which begins with `where`, if there is none."""
    text = element.findtext(key)
    if not text or not text.strip():
        raise DataError(f"{where}: {element.tag} has no {key}, which a label file of PASCAL VOC needs: write it")
    return text.strip()


def _number(element: ElementTree.Element, key: str, where: str) -> float:
    text = _text(element, key, where)
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise DataError(f"{where}: {element.tag}/{key} is {shown(text)}, which is not a finite number: correct it")
    return value
