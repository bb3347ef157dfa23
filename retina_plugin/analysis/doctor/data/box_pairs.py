"""Boxes that two annotations share."""

from collections.abc import Iterator

import numpy as np
from detectron2.structures import Boxes, pairwise_iou

from ..finding import Finding
from ..reading.coco_set import CocoSet
from ..subject import Subject
from .reporting import about_boxes, with_sound_boxes

_SAME = 0.9  # IoU of two boxes that are hardly two objects


def repeated_boxes(subject: Subject) -> Iterator[Finding]:
    """The same box twice, as one class or as several."""
    for data in with_sound_boxes(subject.sets):
        place = np.column_stack([data.image_index, data.boxes.round(1)])
        place[data.is_crowd, 0] = -1 - np.flatnonzero(data.is_crowd)  # makes each crowd unique
        same_box = _group(place)
        same_object = _group(np.column_stack([same_box, data.labels]))
        twice = ~_is_first(same_object)
        yield from about_boxes(
            data,
            twice,
            "box-duplicated",
            "repeat another box of the same class in the same image: the evaluation counts an object too much",
            "remove the repetitions; exports of several annotators or merged files often have them",
        )
        yield from about_boxes(
            data,
            ~twice & ~_is_first(np.where(twice, -1 - np.arange(len(twice)), same_box)),
            "box-of-several-classes",
            "have the box of an object of another class: an anchor trains for one class only",
            "keep one annotation per object; RetinaNet does not learn several classes for one box",
        )


def nearly_repeated_boxes(subject: Subject) -> Iterator[Finding]:
    """Two boxes of a class that differ by a few pixels: an object that was annotated twice, as a rule."""
    for data in with_sound_boxes(subject.sets):
        yield from about_boxes(
            data,
            _overlapping(data),
            "box-nearly-duplicated",
            f"have an IoU above {_SAME} with another box of the same class: probably one object, annotated twice",
            "look at them; remove one of both",
            "hint",
        )


QUICK = (repeated_boxes,)
SLOW = (nearly_repeated_boxes,)


def _overlapping(data: CocoSet) -> np.ndarray:
    """(N,) bool, whether a box has an IoU above `_SAME` and below 1 with an earlier one of its class and image."""
    marked = np.zeros(len(data.boxes), bool)
    corners = np.hstack([data.boxes[:, :2], data.boxes[:, :2] + data.boxes[:, 2:]])
    groups = _group(np.column_stack([data.image_index, data.labels, data.is_crowd]))
    order = np.argsort(groups, kind="stable")
    for members in np.split(order, np.flatnonzero(np.diff(groups[order])) + 1):
        if len(members) > 1 and not data.is_crowd[members[0]]:
            boxes = Boxes(corners[members])
            iou = pairwise_iou(boxes, boxes).numpy()
            marked[members] = ((np.tril(iou, -1) > _SAME) & (iou < 1)).any(axis=1)
    return marked


def _group(rows: np.ndarray) -> np.ndarray:
    """(N,) integers that are equal for equal rows."""
    return np.unique(rows, axis=0, return_inverse=True)[1].reshape(-1)


def _is_first(groups: np.ndarray) -> np.ndarray:
    """(N,) whether a member is the first of its group."""
    first = np.zeros(len(groups), bool)
    first[np.unique(groups, return_index=True)[1]] = True
    return first
