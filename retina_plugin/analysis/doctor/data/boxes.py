"""Single boxes that train or count otherwise than their author expects."""

from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from ....data.coco_boxes import has_mask
from ..finding import Finding, Severity
from .coco_set import CocoSet
from .resizing import resize_factors

if TYPE_CHECKING:
    from ..subject import Subject

_TINY = 2  # pixels of the network's input
_SLIGHTLY = 2  # pixels that a box may end beyond its image


def empty_boxes(subject: "Subject") -> Iterator[Finding]:
    """Boxes without area, which are objects for the evaluation only (keras-retinanet#555)."""
    for data in subject.sets:
        yield from _marked(
            data,
            (data.boxes[:, 2:] == 0).any(axis=1),
            "box-empty",
            "have a width or height of 0: training skips them, but the evaluation counts them as missed objects",
            "remove these annotations, or correct their bbox",
        )


def outside_boxes(subject: "Subject") -> Iterator[Finding]:
    """Boxes that lie outside their image, in full or in part."""
    for data in subject.sets:
        ends = data.boxes[:, :2] + data.boxes[:, 2:]
        inside = np.clip(ends, 0, data.sizes) - np.clip(data.boxes[:, :2], 0, data.sizes)
        area = data.boxes[:, 2:].clip(0).prod(axis=1)
        visible = inside.clip(0).prod(axis=1) / np.where(area > 0, area, 1)
        beyond = np.maximum(-data.boxes[:, :2], ends - data.sizes).max(axis=1, initial=0) > _SLIGHTLY
        fix = "correct their bbox; are it, and width and height of the image entry, of the file as it is on the disk?"
        say = partial(_marked, data, fix=fix)
        missed = "training skips them, but the evaluation counts them as missed objects"
        yield from say((area > 0) & (visible == 0), "box-outside-image", f"lie outside their images: {missed}")
        most = "lie in their images with less than half of their area: no detection can match them"
        yield from say((visible > 0) & (visible < 0.5), "box-mostly-outside", most)
        part = "end beyond their images: training cuts them off there, but the evaluation does not"
        yield from say(beyond & (visible >= 0.5) & (visible < 0.95), "box-partly-outside", part)


def repeated_boxes(subject: "Subject") -> Iterator[Finding]:
    """The same box twice, as one class or as several."""
    for data in subject.sets:
        place = np.column_stack([data.image_index, data.boxes.round(1)])
        place[data.is_crowd, 0] = -1 - np.flatnonzero(data.is_crowd)  # crowds differ from everything
        same_box = _group(place)
        same_object = _group(np.column_stack([same_box, data.labels]))
        twice = ~_is_first(same_object)
        yield from _marked(
            data,
            twice,
            "box-duplicated",
            "repeat another box of the same class in the same image: the evaluation counts an object too much",
            "remove the repetitions; exports of several annotators or merged files often have them",
        )
        yield from _marked(
            data,
            ~twice & ~_is_first(np.where(twice, -1 - np.arange(len(twice)), same_box)),
            "box-of-several-classes",
            "have the box of an object of another class: an anchor trains for one class only",
            "keep one annotation per object; RetinaNet does not learn several classes for one box",
        )


def tiny_boxes(subject: "Subject") -> Iterator[Finding]:
    """Objects that are hardly a pixel for the network (detectron2#1213, retinanet-examples#61)."""
    for split, sets in (("train", subject.train_sets), ("test", subject.test_sets)):
        for data in sets:
            factors = resize_factors(subject.cfg.dataloader[split].mapper.get("augmentations"), data.sizes)
            sides = data.boxes[:, 2:].min(axis=1, initial=np.inf) * factors
            yield from _marked(
                data,
                (sides > 0) & (sides < _TINY) & ~data.is_crowd,
                "box-tiny",
                f"are narrower than {_TINY} pixels after the resizing of dataloader.{split}.mapper.augmentations",
                "train on larger images (short_edge_length and max_size of ResizeShortestEdge), or remove these boxes",
            )


def crowds(subject: "Subject") -> Iterator[Finding]:
    """Crowds and ignored regions, which RetinaNet trains as background (detectron2#1909, mmdetection#10019)."""
    for data in subject.train_sets:
        yield from _marked(
            data,
            data.is_crowd,
            "box-of-crowd",
            "are crowds (iscrowd=1): their area trains as background, and the evaluation ignores detections in it",
            "if that area holds many objects, annotate these, or leave out the image",
            "hint",
        )


def unusable_segmentations(subject: "Subject") -> Iterator[Finding]:
    """Annotations that Detectron2 drops because of a mask that a box detector does not need."""
    for data in subject.sets:
        yield from _marked(
            data,
            np.array([not has_mask(a.get("segmentation")) for a in data.annotations], bool),
            "segmentation-unusable",
            "have a segmentation without a polygon of 3 points: training skips them, the evaluation counts them",
            "remove 'segmentation' from these annotations; their boxes are enough",
        )


def wrong_areas(subject: "Subject") -> Iterator[Finding]:
    """Areas that put objects into the wrong one of APs, APm and APl."""
    for data in subject.sets:
        areas = np.array([_number(a.get("area")) for a in data.annotations])
        box = data.boxes[:, 2:].clip(0).prod(axis=1)
        yield from _marked(
            data,
            (box > 0) & ((areas > 1.1 * box + 1) | (areas == 0)),
            "area-wrong",
            "have an 'area' of 0 or above that of their box: APs, APm and APl count them as objects of another size",
            "remove 'area' from these annotations: the box counts without it",
        )


CHECKS = (empty_boxes, outside_boxes, repeated_boxes, tiny_boxes, crowds, unusable_segmentations, wrong_areas)


def _marked(
    data: CocoSet, marked: np.ndarray, code: str, problem: str, fix: str, severity: Severity = "warning"
) -> Iterator[Finding]:
    """One finding about all marked annotations."""
    if marked.any():
        message = f"{int(marked.sum())} of {len(marked)} boxes {problem}"
        yield Finding(severity, code, message, data.where_annotations(marked), fix)


def _group(rows: np.ndarray) -> np.ndarray:
    """(N,) numbers that are equal where rows are."""
    return np.unique(rows, axis=0, return_inverse=True)[1].reshape(-1)


def _is_first(groups: np.ndarray) -> np.ndarray:
    """(N,) whether a member is the first of its group."""
    first = np.zeros(len(groups), bool)
    first[np.unique(groups, return_index=True)[1]] = True
    return first


def _number(value: object) -> float:
    return float(value) if type(value) in (int, float) else np.nan
