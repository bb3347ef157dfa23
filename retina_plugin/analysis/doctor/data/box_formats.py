"""Boxes in another format than x, y, width, height in pixels of the image."""

from collections.abc import Iterator

import numpy as np

from ....data.coco_json.boxes import AS_CORNERS, AS_FRACTIONS, OF_ANOTHER_SIZE
from ..finding import Finding
from ..reading.coco_set import CocoSet
from ..subject import Subject
from .reporting import about_boxes, where_boxes

_ENOUGH = 20  # boxes, to judge all of them together


def fractions(subject: Subject) -> Iterator[Finding]:
    """Single boxes in fractions of the image, among boxes in pixels (mmdetection#418)."""
    for data in _accepted(subject, AS_FRACTIONS):
        marked = (data.boxes <= 1).all(axis=1) & (data.boxes[:, 2:] > 0).all(axis=1) & (data.sizes > 4).all(axis=1)
        problem = "have numbers up to 1 only: fractions of the image, not pixels"
        fix = "multiply x and width by the width of the image, y and height by its height"
        yield from about_boxes(data, marked, AS_FRACTIONS, problem, fix)


def corners(subject: Subject) -> Iterator[Finding]:
    """Corners x1, y1, x2, y2 in place of x, y, width, height (mmdetection#418, detectron2#550).

    The third number of corners exceeds the first in every box and is positively correlated with it. The width of large
    centred objects exceeds x, too, but is negatively correlated with it.
    """
    for data in _accepted(subject, AS_CORNERS):
        boxes = data.boxes[~data.is_crowd]
        if len(boxes) < _ENOUGH or not (boxes[:, 2:] > boxes[:, :2]).all():
            continue
        if min(_correlation(boxes[:, 0], boxes[:, 2]), _correlation(boxes[:, 1], boxes[:, 3])) > 0.5:
            yield _about_all(
                data,
                AS_CORNERS,
                "look like corners x1, y1, x2, y2: width and height are above x and y everywhere, and grow with them",
                "subtract: width = x2 - x1, height = y2 - y1; retina data draws them",
            )


def centres(subject: Subject) -> Iterator[Finding]:
    """Centres in place of upper left corners, as in the format of YOLO.

    Read as x, y, width, height, every such box begins at least half its size from the left and upper border, and some
    end beyond the right or lower border.
    """
    for data in _accepted(subject, ""):
        boxes, sizes = data.boxes[~data.is_crowd], data.sizes[~data.is_crowd]
        if len(boxes) < _ENOUGH or not (boxes[:, :2] >= boxes[:, 2:] / 2 - 1).all():
            continue
        if (boxes[:, :2] + boxes[:, 2:] > sizes + 2).any(axis=1).mean() > 0.02:
            yield _about_all(
                data,
                "boxes-as-centres",
                "look like centre x, centre y, width, height: none begins near the left or upper border, and some end "
                "beyond the others",
                "subtract half of width and height from x and y",
            )


def another_size(subject: Subject) -> Iterator[Finding]:
    """Boxes that were drawn on smaller versions of the images: all lie in the upper left part."""
    for data in _accepted(subject, OF_ANOTHER_SIZE):
        ends = (data.boxes[:, :2] + data.boxes[:, 2:]) / data.sizes
        if len(ends) < _ENOUGH or len(np.unique(data.image_index)) < _ENOUGH / 4:
            continue
        right, lower = ends.max(axis=0)
        if max(right, lower) < 0.7 and (data.boxes > 1).any():
            yield _about_all(
                data,
                OF_ANOTHER_SIZE,
                f"lie in the left {right:.0%} and the upper {lower:.0%} of their images: are they boxes of smaller "
                "versions of these?",
                f"if so, multiply them by about {1 / max(right, lower):.1f}; retina data draws them",
            )


CHECKS = (fractions, corners, centres, another_size)


def _accepted(subject: Subject, code: str) -> list[CocoSet]:
    """Data sets that the loader does not already refuse for this reason."""
    return [data for data in subject.sets if not (data.refused and data.refused.code == code)]


def _correlation(a: np.ndarray, b: np.ndarray) -> float:
    return float(np.corrcoef(a, b)[0, 1]) if a.std() > 0 and b.std() > 0 else 0.0


def _about_all(data: CocoSet, code: str, problem: str, fix: str) -> Finding:
    everything = np.ones(len(data.annotations), bool)
    return Finding("warning", code, f"{len(everything)} boxes {problem}", where_boxes(data, everything), fix)
