"""Which detections cover the objects of the test data. G objects."""

import functools
from dataclasses import dataclass
from typing import Any

import numpy as np
from detectron2.structures import pairwise_iou

from ....evaluation.truth import boxes_of, by_image
from .record import Record

IOU = 0.5


@dataclass(frozen=True)
class Found:
    """The detections that cover each object of the test data; crowds are left out.

    Attributes:
        truth: (G,) category ids.
        sizes: (G,) square root of the area, in pixels of the original image.
        images: (G,) image ids.
        covered: (G,) category id of the highest-scoring detection with an IoU of .5 or more, of any class; -1 for none.
        detected: (G,) bool, whether such a detection has the object's own class.
    """

    truth: np.ndarray
    sizes: np.ndarray
    images: np.ndarray
    covered: np.ndarray
    detected: np.ndarray


@functools.lru_cache(maxsize=1)
def cover(record: Record) -> Found:
    """What covers each object; empty without ground truth or detections."""
    rows: list[tuple[Any, ...]] = []
    detections = by_image(sorted(record.detections or (), key=lambda d: -d["score"]))
    for image, truths in by_image(record.truth.anns.values() if record.truth else ()).items():
        objects, own = [t for t in truths if not t["iscrowd"]], detections.get(image, [])
        overlaps = (pairwise_iou(boxes_of(objects), boxes_of(own)) >= IOU).numpy()
        classes = np.array([d["category_id"] for d in own])
        for t, overlap in zip(objects, overlaps, strict=True):
            hits = classes[overlap]
            size = (t["bbox"][2] * t["bbox"][3]) ** 0.5
            rows.append((t["category_id"], size, image, hits[0] if len(hits) else -1, t["category_id"] in hits))
    columns = list(zip(*rows, strict=True)) if record.detections else [()] * 5
    return Found(*(np.array(column) for column in columns or [()] * 5))
