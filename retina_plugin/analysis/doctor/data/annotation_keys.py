"""Unusable masks and wrong areas in annotations."""

from collections.abc import Iterator

import numpy as np

from ....data.coco_boxes import has_mask
from ..finding import Finding
from ..subject import Subject
from .reporting import about_boxes, with_sound_boxes


def unusable_segmentations(subject: Subject) -> Iterator[Finding]:
    """Annotations that Detectron2 drops because of a mask that a box detector does not need."""
    for data in with_sound_boxes(subject.sets):
        yield from about_boxes(
            data,
            np.array([not has_mask(a.get("segmentation")) for a in data.annotations], bool),
            "segmentation-unusable",
            "have a segmentation without a polygon of 3 points: training skips them, the evaluation counts them",
            "remove 'segmentation' from these annotations; their boxes are enough",
        )


def wrong_areas(subject: Subject) -> Iterator[Finding]:
    """Areas that put objects into the wrong one of APs, APm and APl."""
    for data in with_sound_boxes(subject.sets):
        areas = np.array([_number(a.get("area")) for a in data.annotations])
        box = data.boxes[:, 2:].clip(0).prod(axis=1)
        yield from about_boxes(
            data,
            (box > 0) & ((areas > 1.1 * box + 1) | (areas == 0)),
            "area-wrong",
            "have an 'area' of 0 or above that of their box: APs, APm and APl count them as objects of another size",
            "remove 'area' from these annotations: the box counts without it",
        )


CHECKS = (unusable_segmentations, wrong_areas)


def _number(value: object) -> float:
    return float(value) if type(value) in (int, float) else np.nan
