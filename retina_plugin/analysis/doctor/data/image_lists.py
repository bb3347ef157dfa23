"""The list of images: files that are not there or are listed twice, and images without objects."""

from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from ....files import shown
from ..finding import Finding

if TYPE_CHECKING:
    from ..subject import Subject

_MANY = 0.5


def missing_files(subject: "Subject") -> Iterator[Finding]:
    """Images that training would stop at, maybe hours later."""
    for data in subject.sets:
        missing = np.array([not path.is_file() for path in data.paths], bool)
        if missing.any():
            yield Finding(
                "error",
                "image-missing",
                f"{missing.sum()} of {len(missing)} images of {shown(data.json_file)} are not on the disk",
                data.where_images(missing),
                "put them into the image folder, set the folder (data.train_images, data.val_images), or remove their "
                "entries",
            )


def repeated_files(subject: "Subject") -> Iterator[Finding]:
    """One file with several entries: the objects of one are background in the other."""
    for data in subject.sets:
        number = Counter(data.paths)
        twice = np.array([number[path] > 1 for path in data.paths], bool)
        if twice.any():
            yield Finding(
                "warning",
                "image-file-twice",
                f"{twice.sum()} of {len(twice)} image entries share their file with another: the objects of one entry "
                "are background for the others",
                data.where_images(twice),
                "join these entries to one, with all annotations",
            )


def images_without_objects(subject: "Subject") -> Iterator[Finding]:
    """Many images of background only, and what becomes of them (detectron2#417, #80, mmdetection#10666)."""
    keeps_them = not subject.cfg.dataloader.train.dataset.get("filter_empty", True)
    for data in subject.train_sets:
        empty = np.ones(len(data.images), bool)
        empty[data.image_index[~data.is_crowd]] = False
        if data.refused or empty.all() or empty.mean() <= _MANY:
            continue
        fate = "they train as background" if keeps_them else "training leaves them out"
        other = "leave them out" if keeps_them else "train on them as background"
        yield Finding(
            "hint",
            "images-without-objects",
            f"{empty.sum()} of {len(empty)} training images have no object; {fate}",
            data.where_images(empty),
            f"if they do hold objects, annotate these; dataloader.train.dataset.filter_empty={keeps_them} would "
            f"{other}",
        )


CHECKS = (missing_files, repeated_files, images_without_objects)
