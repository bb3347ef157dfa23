"""Sizes of objects and images after the resize of the training."""

from collections.abc import Iterator

import numpy as np

from ..finding import Finding
from ..subject import Subject
from .boxes import train_boxes
from .wiring import needs

_MANY = 0.25  # share of boxes
_ENLARGED = 3.0  # times the sides of the original image
_TINY, _VISIBLE = 8.0, 16.0  # pixels of objects that cannot be seen well after resizing, and that could before
_RESIZE = "dataloader.train.mapper.augmentations"


@needs("model", "train")
def small_objects(subject: Subject) -> Iterator[Finding]:
    """Objects smaller than a cell of the finest level: Detectron#283, keras-retinanet#202, ODTK#61."""
    found, strides = train_boxes(subject), getattr(subject.model.anchor_generator, "strides", [])
    below = found.sizes < min(strides, default=0)
    if len(below) and below.mean() > _MANY:
        message = (
            f"{below.mean():.0%} of {len(below)} boxes are smaller than {min(strides)} pixels after resizing, the "
            f"stride of {subject.model.head_in_features[0]}: several of them share one place of its map"
        )
        fix = f"a larger short_edge_length in {_RESIZE}, tiles of the images, or a level p2"
        yield Finding("warning", "objects-below-stride", message, "model.head_in_features", fix)


@needs("train")
def resize(subject: Subject) -> Iterator[Finding]:
    """Images that are enlarged without need, or reduced until their objects cannot be seen: detectron2#1213."""
    found = train_boxes(subject)
    if not len(found.enlarged) or not len(found.sizes):
        return
    factor, before, after = float(np.median(found.enlarged)), np.median(found.original), np.median(found.sizes)
    if factor > _ENLARGED:
        message = f"images are enlarged {factor:.1f} times, which adds time and memory but no detail"
        fix = f"short_edge_length of {_RESIZE} nearer to the {_median_edge(subject):.0f} pixels of the images"
        yield Finding("warning", "images-enlarged", message, _RESIZE, fix)
    if after < _TINY and before >= _VISIBLE:
        message = f"resizing reduces the median object from {before:.0f} to {after:.1f} pixels"
        fix = f"a short_edge_length of {_RESIZE} of {_VISIBLE / before * _median_edge(subject):.0f} or more, or tiles"
        yield Finding("warning", "objects-shrunk", message, _RESIZE, fix)


def _median_edge(subject: Subject) -> float:
    """Median of the shorter sides of the original images."""
    return float(np.median([min(x["height"], x["width"]) for x in subject.train if x.get("height") and x.get("width")]))
