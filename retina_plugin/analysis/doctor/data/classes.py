"""How many boxes every class has in the training and in the test data."""

from collections.abc import Iterator, Sequence

import numpy as np

from ....printable import shown
from ..finding import Finding, Severity
from ..reading.coco_set import CocoSet
from ..subject import Subject

_ADD = "add images with these classes, or move some from one part of the data to the other"
_CHECK = "check category_id of annotations, or remove these classes from the json files"
_FEW, _UNEQUAL = 10, 10.0  # boxes from which a class is not rare; ratio of boxes that is reported


def no_annotations(subject: Subject) -> Iterator[Finding]:
    """Data without any object (pytorch-retinanet#145, detectron2#417)."""
    for split, sets in (("training", subject.train_sets), ("test", subject.test_sets)):
        if not _is_complete(sets) or sum(_counts(sets).values()):
            continue
        result = "training cannot begin" if split == "training" else "there will be no AP"
        yield Finding(
            "error",
            "no-annotations",
            f"no {split} image has an object with a box of more than 0 pixels: {result}",
            f"{shown(sets[0].source)}: annotations",
            f"add annotations to the json of the {split} data, or name another file",
        )


def classes_without_boxes(subject: Subject) -> Iterator[Finding]:
    """Classes that cannot be learned, or cannot be measured."""
    train, test = _counts(subject.train_sets), _counts(subject.test_sets)
    if not _is_complete(subject.sets) or not sum(train.values()) or not sum(test.values()):
        return
    only_test = [c for c in train if not train[c] and test.get(c)]
    only_train = [c for c in train if train[c] and test.get(c) == 0]
    neither = [c for c in train if not train[c] and not test.get(c)]
    where = f"{shown(subject.train_sets[0].source)}: annotations"
    for code, names, problem, fix in (
        ("class-only-in-test", only_test, "boxes in the test data, but none to train on", _ADD),
        ("class-only-in-train", only_train, "boxes to train on, but none in the test data that measures AP", _ADD),
        ("class-without-boxes", neither, "no boxes at all", _CHECK),
    ):
        yield from _about("warning", code, names, problem, where, fix)


def rare_classes(subject: Subject) -> Iterator[Finding]:
    """Classes with so few boxes that their AP says little."""
    counts = _counts(subject.train_sets)
    rare = [name for name, number in counts.items() if 0 < number < _FEW]
    where = f"{shown(subject.train_sets[0].source)}: annotations"
    yield from _about("hint", "class-rare", rare, f"fewer than {_FEW} training boxes", where, _ADD)


def unequal_classes(subject: Subject) -> Iterator[Finding]:
    """Imbalance between classes, which focal loss does not address (mmdetection#6759, torchvision#7167)."""
    counts = {name: number for name, number in _counts(subject.train_sets).items() if number}
    if len(counts) < 2:
        return
    most, least = max(counts, key=counts.__getitem__), min(counts, key=counts.__getitem__)
    if (ratio := counts[most] / counts[least]) >= _UNEQUAL:
        yield Finding(
            "hint",
            "classes-unequal",
            f"class {shown(most)} has {counts[most]} training boxes and {shown(least)} {counts[least]}, a ratio of "
            f"{ratio:.0f}. This is not the imbalance of foreground and background, which alpha, gamma and prior of "
            "the loss act upon: they treat all classes alike",
            f"{shown(subject.train_sets[0].source)}: annotations",
            "compare AP by class; if rare ones matter, add images of them or repeat these with Detectron2's "
            "RepeatFactorTrainingSampler as dataloader.train.sampler",
        )


CHECKS = (no_annotations, classes_without_boxes, rare_classes, unequal_classes)


def _is_complete(sets: Sequence[CocoSet]) -> bool:
    """Whether counts are complete: the loader refuses no json, which another check reports, and images have a size."""
    return not any(data.refused or len(data.images) < len(data.content["images"]) for data in sets)


def _counts(sets: Sequence[CocoSet]) -> dict[str, int]:
    """Number of boxes that train, by class name."""
    counts: dict[str, int] = {}
    for data in sets:
        trains = ~data.is_crowd & (data.boxes[:, 2:] > 0).all(axis=1)
        found = np.bincount(data.labels[trains], minlength=len(data.categories))
        for name, number in zip(data.categories.values(), found.tolist(), strict=True):
            counts[name] = counts.get(name, 0) + number
    return counts


def _about(severity: Severity, code: str, names: list[str], problem: str, where: str, fix: str) -> Iterator[Finding]:
    if names:
        listed = ", ".join(map(shown, names[:5])) + ", ..." * (len(names) > 5)
        number = "1 class has" if len(names) == 1 else f"{len(names)} classes have"
        yield Finding(severity, code, f"{number} {problem}: {listed}", where, fix)
