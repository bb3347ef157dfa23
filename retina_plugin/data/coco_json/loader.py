"""The loader of a COCO json in Detectron2's catalog. A json is checked once in a process, and again if it changes."""

import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from detectron2.data import MetadataCatalog
from detectron2.data.datasets import load_coco_json

from ...printable import first_line, shown
from ..errors import DataError
from ..image_reader import check_image_root
from .check import check_coco_content, read_coco_json

_MOST_FILES = 1000


@dataclass(frozen=True)
class _Checked:
    """What is kept of a checked json: its state, its category names by id, sorted by id, and its first image names."""

    state: tuple[int, int]
    categories: dict[Any, str]
    first_files: list[str]


_checked: dict[tuple[str, bool], _Checked] = {}  # by json and allow_outside: several data sets may share a json


@dataclass
class CocoLoader:
    """Reads a COCO json: a call gives Detectron2's dataset dicts.

    Attributes:
        name: in the catalogs.
        json_file: its path.
        image_root: folder of the images.
        labels: the path that the user gave: the json, or the labels of another format that it was made from.
        hint: for the message if the json is missing.
        allow_outside: whether the json may name images outside `image_root`.
        classes: names that the categories must have; None allows any.
    """

    name: str
    json_file: str
    image_root: str
    labels: str
    hint: str = ""
    allow_outside: bool = False
    classes: list[str] | None = None

    def __call__(self) -> list[dict[str, Any]]:
        """The dataset dicts; DataError if the json is refused, by `check` or by Detectron2."""
        self.check()
        try:
            return load_coco_json(self.json_file, self.image_root, self.name)
        except (LookupError, TypeError, AttributeError, AssertionError, ValueError) as e:
            raise self._refused_by_detectron2(e) from e

    def check(self, content: Any = None) -> None:
        """Check the json, and give its classes to Detectron2's metadata, as loading it does; DataError if refused.

        `content` is that of the json, if it has been read.
        """
        categories = self._check_once(content).categories
        names = list(categories.values())
        if self.classes not in (None, names):
            raise DataError(
                f"{shown(self.labels)} has the categories {shown(names)}, but classes (data.classes in the config of "
                f"custom data) are {shown(self.classes)}: leave them out, or change the names or ids of the categories"
            )
        check_image_root(self.labels, self.image_root)
        metadata = MetadataCatalog.get(self.name)
        if "thing_classes" not in metadata.as_dict():
            labels = {category: label for label, category in enumerate(categories)}
            try:
                metadata.set(thing_dataset_id_to_contiguous_id=labels, thing_classes=names)
            except AssertionError as e:  # others have set it before
                raise self._refused_by_detectron2(e) from e

    def check_images(self) -> None:
        """Raise DataError if none of the first 1,000 images exists, or if the json is refused."""
        root, files = self.image_root, self._check_once(None).first_files
        if not any(os.path.isfile(os.path.join(root, file)) for file in files):
            message = f"{shown(root)} has none of the images of {shown(self.name)}, such as {shown(files[0])}"
            raise DataError(f"{message}: {_advice(root, files[0])}", "image-missing")

    def _check_once(self, content: Any) -> _Checked:
        key, state = (self.json_file, self.allow_outside), file_state(self.json_file)
        if key not in _checked or _checked[key].state != state:
            if content is None:
                content = read_coco_json(self.json_file, self.hint, self.allow_outside, self.labels)
            else:
                check_coco_content(content, shown(self.labels), self.allow_outside)
            categories = {c["id"]: c["name"] for c in sorted(content["categories"], key=lambda x: x["id"])}
            files = [image["file_name"] for image in content["images"][:_MOST_FILES]]
            _checked[key] = _Checked(state, categories, files)
        return _checked[key]

    def _refused_by_detectron2(self, error: Exception) -> DataError:
        reason = f"{type(error).__name__}: {first_line(error)}"
        return DataError(f"{shown(self.labels)} cannot be read by Detectron2: {reason}")


def file_state(path: str | Path) -> tuple[int, int]:
    """Modification time in nanoseconds and size in bytes of a file; zeros if there is none, or none within reach."""
    found = os.stat(path) if os.path.isfile(path) else None  # no error for a folder that must not be read
    return (found.st_mtime_ns, found.st_size) if found else (0, 0)


def _advice(root: str, file: str) -> str:
    """What lets an image be found that a json names and the folder `root` does not have."""
    folder, name = os.path.split(os.path.join(root, file))
    folders = [os.path.dirname(os.path.normpath(root))]
    with suppress(OSError):  # folders that must not be read
        for found in os.listdir(folder):
            if found != name and found.lower() == name.lower():
                return f"its name on the disk is {shown(found)}, and case counts: correct the json or rename the images"
        folders += [inner.path for inner in os.scandir(root) if inner.is_dir()]
    right = next((one for one in folders if os.path.isfile(os.path.join(one, file))), None)
    return f"did you mean {shown(right)}?" if right else "name the folder of this file"
