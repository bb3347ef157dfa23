"""Objects that a run misses because they are smaller than its anchors."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from ....modeling import OctaveAnchorGenerator
from ...anchors.boxes import resize_of
from ..finding import Finding
from ..training.settings import setting
from .cover import cover
from .detections import tells_little
from .record import Record

_FITS = 0.4**0.5  # of the smallest anchor's side: a smaller object has an IoU below .4 with it
_LEAST, _MANY = 10, 0.1  # objects to judge them; share of objects that is many
_HALF = 0.5
_KEY = "model.anchor_generator"


def small_misses(record: Record) -> Iterator[Finding]:
    """Most missed objects are smaller than any anchor: keras-retinanet#667, ODTK#61, detectron2#1213."""
    found, generator = cover(record), setting(record.cfg, _KEY)
    smallest = _smallest_anchor(generator)
    if smallest is None or len(found.truth) < _LEAST or tells_little(record):
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
        better = f"smaller {_KEY}.sizes"
        if isinstance(generator, OctaveAnchorGenerator):
            scale = setting(record.cfg, f"{_KEY}.octave_base_scale", 4.0) * np.median(sizes[small]) / smallest
            better = f"{_KEY}.octave_base_scale={max(scale, 1):.2g}"
        fix = f"{better}, or a larger short_edge_length in dataloader.*.mapper.augmentations"
        yield Finding("warning", "misses-small", message, _KEY, fix)


def _smallest_anchor(generator: object) -> float | None:
    """Square root of the smallest anchor's area in pixels; None if the generator has no `cell_anchors`."""
    cells = getattr(generator, "cell_anchors", ())
    areas = [((x[:, 2] - x[:, 0]) * (x[:, 3] - x[:, 1])).min().item() for x in cells]
    return min(areas) ** 0.5 if areas else None


def _scales(record: Record) -> dict[Any, float]:
    """Factor of the test's resize by image id."""
    resize = resize_of(record.cfg.dataloader.test)
    shapes = {i: (x["height"], x["width"]) for i, x in record.truth.imgs.items()}
    return {i: (np.prod(resize(shape)) / np.prod(shape)) ** 0.5 for i, shape in shapes.items()}
