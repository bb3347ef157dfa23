"""A finding of the doctor, and the signature of its checks."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal

from ...data import DataError
from .subject import Subject

Severity = Literal["error", "warning", "hint"]
Check = Callable[[Subject], Iterable["Finding"]]
"""A check examines one aspect of a config and yields a finding for each problem. Packages list theirs in `CHECKS`."""


@dataclass(frozen=True)
class Finding:
    """One line of the doctor's answer.

    Attributes:
        severity: "error" if training fails or its result is useless, "warning" if that is likely, "hint" otherwise.
        code: a short stable name, such as "box-outside-image", the same for every finding of this kind.
        message: what is wrong, with the numbers.
        where: the key of the config, or the file and the entry in it.
        fix: what to do, as an override to paste where there is one.
    """

    severity: Severity
    code: str
    message: str
    where: str
    fix: str

    def __str__(self) -> str:
        return f"{self.severity}: {self.message} [{self.code}]\n    where: {self.where}\n    fix: {self.fix}"


_FIXES = {
    "annotation-bad-category-id": "declare the category, or correct category_id of these annotations",
    "annotation-bad-image-id": "declare the image, or remove the annotations of images that are no longer there",
    "annotation-bad-ignore": "set iscrowd=1 in place of ignore",
    "boxes-as-corners": "subtract: width = x2 - x1, height = y2 - y1",
    "boxes-as-fractions": "multiply x and width by the width of the image, y and height by its height",
    "boxes-of-another-size": "multiply the boxes by the ratio of the sizes, or use the images that they belong to",
    "data-set-unknown": "use a registered name, or register_coco in the config",
    "data-set-without-classes": "give thing_classes to its metadata where it is registered",
    "image-folder-missing": "correct the image folder: data.*_images of your own data, otherwise image_root",
    "json-invalid": "write the file again with a json library",
    "json-missing": "correct the path (json_file), or put the file there",
}


def finding_of(
    error: Exception, where: str = "config and data", fix: str = "correct the key or file that the message names"
) -> Finding:
    """The finding for an error that would end a training. The code and the fix of a DataError depend on its `code`."""
    if isinstance(error, DataError):
        fix = _FIXES.get(error.code, "correct the entry that the message names")
        return Finding("error", error.code, str(error), where, f"{fix}; training does not begin before")
    return Finding("error", "config-invalid", str(error), where, fix)
