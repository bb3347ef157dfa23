"""Single boxes, masks and areas that training or evaluation treats differently from what their author expects."""

from collections.abc import Iterator
from functools import partial

import numpy as np
from omegaconf import DictConfig

from ....data.coco_json.boxes import has_mask
from ...anchors.boxes import resize_of
from ..finding import Finding
from ..reading.coco_set import CocoSet
from ..subject import Subject
from .reporting import about_boxes, with_sound_boxes

_TINY = 2  # pixels of the network's input
_SLIGHTLY = 2  # pixels that a box may end beyond its image


def empty_boxes(subject: Subject) -> Iterator[Finding]:
    """Boxes without area, which training skips and the evaluation counts (keras-retinanet#555)."""
    for data in with_sound_boxes(subject.sets):
        yield from about_boxes(
            data,
            (data.boxes[:, 2:] <= 0).any(axis=1),
            "box-empty",
            "have a width or height of 0: training skips them, but the evaluation counts them as missed objects",
            "remove these annotations, or correct their bbox",
        )


def outside_boxes(subject: Subject) -> Iterator[Finding]:
    """Boxes that lie outside their image, in full or in part."""
    for data in with_sound_boxes(subject.sets):
        ends = data.boxes[:, :2] + data.boxes[:, 2:]
        inside = np.clip(ends, 0, data.sizes) - np.clip(data.boxes[:, :2], 0, data.sizes)
        area = data.boxes[:, 2:].clip(0).prod(axis=1)
        visible = inside.clip(0).prod(axis=1) / np.where(area > 0, area, 1)
        beyond = np.maximum(-data.boxes[:, :2], ends - data.sizes).max(axis=1) > _SLIGHTLY
        fix = "correct their bbox; are it, and width and height of the image entry, of the file as it is on the disk?"
        say = partial(about_boxes, data, fix=fix)
        missed = "training skips them, but the evaluation counts them as missed objects"
        yield from say((area > 0) & (visible == 0), "box-outside-image", f"lie outside their images: {missed}")
        most = "lie in their images with less than half of their area: no detection can match them"
        yield from say((visible > 0) & (visible < 0.5), "box-mostly-outside", most)
        part = "end beyond their images: training cuts them off there, but the evaluation does not"
        yield from say(beyond & (visible >= 0.5) & (visible < 0.95), "box-partly-outside", part)


def tiny_boxes(subject: Subject) -> Iterator[Finding]:
    """Objects narrower than `_TINY` pixels after resizing (detectron2#1213, retinanet-examples#61)."""
    for split, sets in (("train", subject.train_sets), ("test", subject.test_sets)):
        for data in with_sound_boxes(sets):
            sides = _resized(data, subject.cfg.dataloader[split]).min(axis=1)
            yield from about_boxes(
                data,
                (sides > 0) & (sides < _TINY) & ~data.is_crowd,
                "box-tiny",
                f"are narrower than {_TINY} pixels after the resizing of dataloader.{split}.mapper.augmentations",
                "train on larger images (short_edge_length and max_size of ResizeShortestEdge), or remove these boxes",
            )


def crowds(subject: Subject) -> Iterator[Finding]:
    """Crowds and ignored regions, which RetinaNet trains as background (detectron2#1909, mmdetection#10019)."""
    for data in subject.train_sets:
        yield from about_boxes(
            data,
            data.is_crowd,
            "box-of-crowd",
            "are crowds (iscrowd=1): their area trains as background, and the evaluation ignores detections in it",
            "if that area holds many objects, annotate these, or leave out the image",
            "hint",
        )


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


CHECKS = (empty_boxes, outside_boxes, tiny_boxes, crowds, unusable_segmentations, wrong_areas)


def _resized(data: CocoSet, loader: DictConfig) -> np.ndarray:
    """(N, 2) width and height of all boxes in pixels of the resized images."""
    resize = resize_of(loader)
    sizes, places = np.unique(data.sizes, axis=0, return_inverse=True)
    after = np.array([resize((int(height), int(width)))[::-1] for width, height in sizes]).reshape(-1, 2)
    return data.boxes[:, 2:] * (after / sizes)[places.ravel()]


def _number(value: object) -> float:
    return float(value) if type(value) in (int, float) else np.nan
