"""Which objects a run misses, by their size beside the anchors."""

import copy
from collections.abc import Iterator
from typing import Any

import numpy as np
from detectron2.config import instantiate

from ..finding import Finding
from ..training.resizing import augmentations_of, resize_of
from .cover import cover
from .record import Record

_FITS = 0.4**0.5  # of the smallest anchor's side: a smaller object has an IoU below .4 with it
_LEAST, _MANY, _HALF = 10, 0.1, 0.5


def small_misses(record: Record) -> Iterator[Finding]:
    """Most missed objects are smaller than any anchor: keras-retinanet#667, ODTK#61, detectron2#1213."""
    found, smallest = cover(record), _smallest_anchor(record)
    if smallest is None or len(found.truth) < _LEAST:
        return
    scales = _scales(record)
    sizes = found.sizes * np.array([scales[i] for i in found.images])
    small, missed = sizes < _FITS * smallest, ~found.detected
    if missed.sum() < max(_LEAST, _MANY * len(missed)) or not small.any() or small.all():
        return
    of_small, of_rest = (float(found.detected[x].mean()) for x in (small, ~small))
    if small[missed].mean() > _HALF and of_small < _HALF * of_rest:
        message = (
            f"{small[missed].mean():.0%} of {missed.sum()} missed objects are below {_FITS * smallest:.0f} pixels "
            f"after resizing, too small for the smallest anchor of {smallest:.0f}: {of_small:.0%} of such are found, "
            f"and {of_rest:.0%} of the others"
        )
        key = "model.anchor_generator.octave_base_scale"
        scale = record.cfg.model.anchor_generator.get("octave_base_scale", 4.0)
        better = scale * np.median(sizes[small]) / smallest
        fix = f"{key}={max(better, 1):.2g}, or a larger short_edge_length in dataloader.*.mapper.augmentations"
        yield Finding("warning", "misses-small", message, key, fix)


def _smallest_anchor(record: Record) -> float | None:
    """Square root of the smallest anchor's area in pixels; None if no generator tells its anchors."""
    node = copy.deepcopy(record.cfg.model).get("anchor_generator")
    cells = getattr(instantiate(node), "cell_anchors", ())
    areas = [((x[:, 2] - x[:, 0]) * (x[:, 3] - x[:, 1])).min().item() for x in cells]
    return min(areas) ** 0.5 if areas else None


def _scales(record: Record) -> dict[Any, float]:
    """Factor of the test's resize by image id."""
    resize = resize_of(augmentations_of(record.cfg.dataloader.test))
    shapes = {i: (x["height"], x["width"]) for i, x in record.truth.imgs.items()}
    return {i: (np.prod(resize(*shape)) / np.prod(shape)) ** 0.5 for i, shape in shapes.items()}
