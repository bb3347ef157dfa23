"""The list of images: files that are not there or are listed twice, and images without objects."""

from collections import Counter
from collections.abc import Iterator

import numpy as np

from ....printable import shown
from ..finding import Finding
from ..subject import Subject
from .reporting import about_images

_MANY = 0.2


def missing_files(subject: Subject) -> Iterator[Finding]:
    """Images that training would stop at, maybe hours later."""
    for data in subject.sets:
        if data.refused and data.refused.code == "image-folder-missing":
            continue
        missing = sorted({*range(len(data.paths))}.difference(data.there))
        problem = f"that {shown(data.source)} lists are not on the disk"
        fix = "put them there, correct the image folder (data.*_images of your own data), or remove their entries"
        if missing and (folder := data.folder_of(missing[0])):
            fix = f"the first is there if the image folder is {shown(folder)}"
        yield from about_images(data, missing, len(data.paths), "image-missing", problem, fix, "error")


def repeated_files(subject: Subject) -> Iterator[Finding]:
    """One file with several entries: the objects of one are background in the other."""
    for data in subject.sets:
        number = Counter(data.paths)
        twice = [place for place, path in enumerate(data.paths) if number[path] > 1]
        problem = "have several entries: the objects of one entry are background for the others"
        fix = "join these entries to one, with all annotations"
        yield from about_images(data, twice, len(data.paths), "image-file-twice", problem, fix, "warning")


def images_without_objects(subject: Subject) -> Iterator[Finding]:
    """Many images of background only, and what becomes of them (detectron2#417, #80, #4082, mmdetection#10666)."""
    keeps_them = not subject.cfg.dataloader.train.dataset.get("filter_empty", True)
    for data in subject.train_sets:
        empty = np.ones(len(data.images), bool)
        empty[data.image_index[~data.is_crowd]] = False
        if data.refused or empty.all() or empty.mean() <= _MANY:
            continue
        fate = "they train as background" if keeps_them else "training leaves them out"
        other = "leave them out" if keeps_them else "train on them as background"
        places = np.flatnonzero(empty).tolist()
        fix = f"annotate objects that they have; dataloader.train.dataset.filter_empty={keeps_them} would {other}"
        problem = f"of the training data have no object; {fate}"
        yield from about_images(data, places, len(empty), "images-without-objects", problem, fix, "hint")


CHECKS = (missing_files, repeated_files, images_without_objects)
