"""The best IoU of every box with anchors of given shapes, without generating the anchors. N boxes.

Among the anchors of one shape and level, the one with the nearest center has the highest IoU with a box. So the width
and height of a box and its distance from the nearest anchor center of each level determine the IoU exactly.
"""

import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ...modeling import PluggableRetinaNet, feature_strides
from .boxes import BoxImage, Size
from .detector import padded_size


@dataclass(frozen=True)
class Layout:
    """Anchors by octaves, as `OctaveAnchorGenerator` has them; aspect ratios are height / width."""

    levels: tuple[str, ...]
    octave_base_scale: float
    scales_per_octave: int
    aspect_ratios: tuple[float, ...]
    num_octaves: int = 1

    @property
    def per_location(self) -> int:
        """Anchors per location."""
        return self.scales_per_octave * self.num_octaves * len(self.aspect_ratios)

    def shapes(self, stride: int) -> np.ndarray:
        """(2, A) widths and heights in pixels of the anchors of a level."""
        octaves = np.arange(self.scales_per_octave * self.num_octaves) / self.scales_per_octave
        size, root = stride * self.octave_base_scale * 2 ** octaves[:, None], np.sqrt(self.aspect_ratios)
        return np.stack([(size / root).ravel(), (size * root).ravel()])

    def locations(self, padded: Size) -> int:
        """Locations of all levels in a padded image (H, W)."""
        return sum(math.prod(_grid(padded, stride)) for stride in feature_strides(self.levels))


class GridBoxes:
    """Boxes on the grids of anchors: N boxes of several images."""

    def __init__(self, boxes: np.ndarray, padded: np.ndarray, classes: np.ndarray, offset: float) -> None:
        """`boxes` (N, 4) are XYXY, `padded` (N, 2) the (H, W) of their padded images; `offset` is the generator's."""
        self._arguments = boxes, padded, classes, offset
        self.width, self.height = (boxes[:, 2:] - boxes[:, :2]).T
        self._centers, self._padded, self._offset = (boxes[:, :2] + boxes[:, 2:]) / 2, padded, offset
        share = np.bincount(classes)[classes]  # every class counts alike, as in AP
        self.weights = 1 / share / (1 / share).sum()
        self._distances = functools.cache(self._distances_of)

    @classmethod
    def of(cls, model: PluggableRetinaNet, images: Sequence[BoxImage]) -> "GridBoxes":
        """The boxes of images as the detector sees them; at least one image has boxes."""
        images = [x for x in images if len(x.instances)]
        padded = [padded_size(model, x.size) for x in images]
        boxes = np.concatenate([x.instances.gt_boxes.tensor.numpy() for x in images])
        classes = np.concatenate([x.instances.gt_classes.numpy() for x in images])
        numbers = [len(x.instances) for x in images]
        return cls(boxes, np.repeat(padded, numbers, axis=0), classes, model.anchor_generator.offset)

    def sample(self, most: int) -> "GridBoxes":
        """At most `most` boxes, drawn at random but always the same ones."""
        *columns, offset = self._arguments
        chosen = np.random.default_rng(0).permutation(len(self))[:most]
        return GridBoxes(*(x[chosen] for x in columns), offset)

    def __len__(self) -> int:
        return len(self.width)

    def best_iou(self, layout: Layout) -> np.ndarray:
        """(N,) the highest IoU of every box with an anchor of the layout."""
        strides = feature_strides(layout.levels)
        return self.iou_by_level([(stride, layout.shapes(stride)) for stride in strides]).max(0)

    def iou_by_level(self, levels: Sequence[tuple[int, np.ndarray]]) -> np.ndarray:
        """(L, N) highest IoU of every box with an anchor of each level, given as (stride, shapes (2, A) in pixels)."""
        return np.stack([self._iou(stride, shapes) for stride, shapes in levels])

    def _iou(self, stride: int, shapes: np.ndarray) -> np.ndarray:
        inter = 1.0
        for sides, own, away in zip(shapes, (self.width, self.height), self._distances(stride), strict=True):
            own, away = own[:, None], away[:, None]
            inter = inter * np.minimum(np.minimum(sides, own), (sides + own) / 2 - away).clip(0)
        return (inter / (np.prod(shapes, axis=0) + (self.width * self.height)[:, None] - inter)).max(1)

    def _distances_of(self, stride: int) -> np.ndarray:
        """(2, N) distances in x and y from each center to the nearest anchor center of a level, in pixels."""
        last = np.stack(_grid(self._padded.T, stride)[::-1], 1) - 1
        places = np.clip(np.round(self._centers / stride - self._offset), 0, last)
        return np.abs(self._centers - (places + self._offset) * stride).T


def _grid(padded: Sequence, stride: int) -> tuple:
    """Rows and columns of a level's map, for one image or for arrays of heights and widths."""
    return -(-padded[0] // stride), -(-padded[1] // stride)
