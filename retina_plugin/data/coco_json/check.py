"""Checks whether a file is a COCO detection json that can be trained on, and that training and evaluation agree on."""

import os
import re
from pathlib import Path
from typing import Any

from ...printable import shown
from ..errors import DataError
from ..json_file import read_json
from .boxes import check_boxes, to_array
from .entries import Entries, is_finite

_UNSAFE = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]")  # control characters and surrogates


def read_coco_json(
    path: str | Path, hint: str = "", allow_outside: bool = False, labels: str | Path | None = None
) -> dict[str, Any]:
    """The content of a COCO detection json that can be trained on; warns about unusual entries.

    Raises:
        DataError: naming the file, or the `labels` of another format that it was made from, and the first bad entry,
            with `hint` if the file is missing; also for names of images outside the image folder, unless
            `allow_outside`.
    """
    content = read_json(path, hint)
    check_coco_content(content, shown(labels or path), allow_outside)
    return content


def check_coco_content(content: Any, name: str, allow_outside: bool = False) -> None:
    """Check content as `read_coco_json` does; messages call the file `name`."""
    for key in ("images", "annotations", "categories"):
        if not isinstance(content, dict) or not isinstance(content.get(key), list):
            lacks = isinstance(content, dict) and key not in content
            problem = f"it has no key {key!r}" if lacks else f"{key!r} is not a list"
            raise DataError(f"{name} is not in COCO's format: {problem}", "json-not-coco")
    if not content["images"]:
        raise DataError(f"{name} lists no images", "json-without-images")
    if not content["categories"]:
        raise DataError(f"{name} declares no categories", "json-without-categories")
    images, annotations = Entries(name, "image", content["images"]), Entries(name, "annotation", content["annotations"])
    categories = _check_categories(Entries(name, "category", content["categories"]))
    sizes = _check_images(images, allow_outside)
    if annotations.entries:
        image_ids = _check_annotations(annotations, categories, sizes)
        annotations.file_names = {image["id"]: image["file_name"] for image in images.entries}
        check_boxes(annotations, to_array([sizes[i] for i in image_ids]))


def _check_categories(categories: Entries) -> set[int]:
    """Check all categories and return their ids."""
    ids = set(categories.unique_ids())
    names = categories.check(
        "name",
        lambda name: isinstance(name, str) and bool(name.strip()) and not _UNSAFE.search(name),
        "has name {}, which must be a string, not empty and without control characters",
    )
    categories.refuse(
        ["${" in name or name == "???" for name in names],
        "name",
        "has name {}, which the config of a run cannot hold: it stands for another value there; rename the category",
    )
    first = {name: i for i, name in reversed(list(enumerate(names)))}
    categories.warn(
        [first[name] != i for i, name in enumerate(names)],
        "name",
        "has name {}, as an earlier category has: metrics show only one of them",
    )
    return ids


def _check_images(images: Entries, allow_outside: bool) -> dict[Any, tuple[int, int]]:
    """Check all images and return their width and height, in pixels, by id."""
    ids = images.unique_ids(strings=True)
    names = images.check(
        "file_name",
        lambda name: isinstance(name, str) and bool(name) and "\0" not in name,
        "has file_name {}, which is not a file name",
    )
    if not allow_outside:
        images.refuse(
            [(".." in name or name[0] == "/") and leaves_folder(name) for name in names],
            "file_name",
            "has file_name {}, which is not in the image folder: if you trust this json, call register_coco with "
            "allow_outside=True (data.allow_outside=true in the config of custom data)",
        )
    size = "which must be the number of pixels of the image"
    widths, heights = (images.check(key, _is_size, f"has {key} {{}}, {size}") for key in ("width", "height"))
    return dict(zip(ids, zip(widths, heights, strict=True), strict=True))


def leaves_folder(name: str) -> bool:
    """Whether a file name of a json is absolute or leads out of the image folder."""
    return os.path.isabs(name) or os.path.normpath(name).split(os.sep)[0] == ".."


def _is_size(value: Any) -> bool:
    return is_finite(value) and value > 0 and value == int(value)


def _check_annotations(annotations: Entries, categories: set[int], images: dict[Any, Any]) -> list[Any]:
    """Check all annotations and return the image id of each."""
    annotations.unique_ids()
    for key, declared in (("category_id", categories), ("image_id", set(images))):
        values, types = annotations.column(key), {*map(type, declared)}
        if not types.issuperset(map(type, values)) or not declared.issuperset(values):
            bad = [type(v) not in types or v not in declared for v in values]
            annotations.refuse(bad, key, f"has {key} {{}}, which is not declared")
    annotations.refuse(
        [ignore != 0 for ignore in annotations.optional("ignore", 0)],
        "ignore",
        "is marked 'ignore', which Detectron2 does not support; use 'iscrowd'",
    )
    annotations.refuse(
        [crowd not in (0, 1) for crowd in annotations.optional("iscrowd", 0)],
        "iscrowd",
        "has iscrowd {}: it would neither train nor count as an object; it must be 0 or 1",
    )
    return annotations.column("image_id")
