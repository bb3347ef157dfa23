"""Which entries of a json can be examined although the json as a whole is refused."""

from collections.abc import Collection, Hashable
from typing import Any

from ....data.coco_check import leaves_folder
from ....data.entries import is_finite


def is_usable_image(image: dict[str, Any], allow_outside: bool) -> bool:
    """Whether an image has an id, a size, and a file name, which leaves the image folder only if `allow_outside`."""
    name, size = image.get("file_name"), (image.get("width"), image.get("height"))
    if not (isinstance(image.get("id"), int | str) and isinstance(name, str) and name and "\0" not in name):
        return False
    return all(is_finite(s) and s > 0 for s in size) and (allow_outside or not leaves_folder(name))


def is_usable_annotation(annotation: dict[str, Any], image_ids: Collection[Any], category_ids: Collection[int]) -> bool:
    """Whether an annotation is of one of these images and categories, with a box of four finite numbers."""
    box = annotation.get("bbox")
    if not (isinstance(box, list) and len(box) == 4 and all(map(is_finite, box))):
        return False
    known = ((annotation.get("image_id"), image_ids), (annotation.get("category_id"), category_ids))
    return all(isinstance(value, Hashable) and value in ids for value, ids in known)
