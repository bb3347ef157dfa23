"""The boxes of the training data as the network sees them, and how well anchors fit them. G boxes."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from detectron2.structures import Boxes, BoxMode

from ....modeling.meta_arch import PluggableRetinaNet
from ...anchors.detector import padded_size
from ...anchors.shapes import GridBoxes
from ..subject import Subject
from .resizing import augmentations_of, resize_of

_MOST_IMAGES = 1000
_SIZE = ("height", "width")


@dataclass(frozen=True)
class TrainBoxes:
    """Objects of training images after the resize of the training augmentation, crowds left out.

    Attributes:
        boxes: (G, 4) XYXY in pixels of the resized image.
        classes: (G,).
        original: (G,) size, the square root of the area, in pixels of the original image.
        images: (G,) index of the image.
        shapes: (height, width) of every resized image.
        enlarged: (I,) factor between the sides of the resized and the original images.
        total: images of the whole data set, of which these are a sample.
    """

    boxes: torch.Tensor
    classes: np.ndarray
    original: np.ndarray
    images: np.ndarray
    shapes: list[tuple[int, int]]
    enlarged: np.ndarray
    total: int

    @property
    def sizes(self) -> np.ndarray:
        """(G,) square root of the area in pixels of the resized image."""
        return Boxes(self.boxes).area().sqrt().numpy()


@functools.lru_cache(maxsize=1)
def train_boxes(subject: Subject) -> TrainBoxes:
    """The objects of up to 1,000 training images, evenly spread over the data set."""
    images = [x for x in subject.train if x.get("annotations") and all(x.get(key) for key in _SIZE)]
    sample = images[:: -(-len(images) // _MOST_IMAGES)] if images else []
    resize = resize_of(augmentations_of(subject.cfg.dataloader.train))
    shapes = [resize(x["height"], x["width"]) for x in sample]
    own = [(i, a) for i, x in enumerate(sample) for a in x["annotations"] if not a.get("iscrowd")]
    place = np.array([i for i, _ in own], dtype=int)
    original = np.array([_xyxy(a) for _, a in own], dtype=np.float64).reshape(-1, 4)
    factors = np.array([(w / x["width"], h / x["height"]) for x, (h, w) in zip(sample, shapes, strict=True)])
    factors = factors.reshape(-1, 2)
    boxes = original * np.tile(factors, 2)[place]
    sides = (original[:, 2:] - original[:, :2]).clip(0)
    kept = (sides > 0).all(1)
    return TrainBoxes(
        torch.from_numpy(boxes[kept]).float(),
        np.array([a["category_id"] for _, a in own], dtype=int)[kept],
        np.sqrt(sides.prod(1))[kept],
        place[kept],
        shapes,
        factors.mean(1),
        len(subject.train),
    )


@functools.lru_cache(maxsize=1)
def train_fit(subject: Subject) -> np.ndarray:
    """(L, G) the highest IoU of each box with an anchor of each level of the config's detector."""
    return fit_of(subject.model, train_boxes(subject))


def fit_of(model: PluggableRetinaNet, found: TrainBoxes, factor: float = 1.0) -> np.ndarray:
    """(L, G) the same with all anchors `factor` times as large."""
    padded = np.array([padded_size(model, shape) for shape in found.shapes], dtype=int).reshape(-1, 2)[found.images]
    generator = model.anchor_generator
    grid = GridBoxes(found.boxes.double().numpy(), padded, found.classes, generator.offset)
    sides = [(x[:, 2:] - x[:, :2]).double().numpy().T for x in generator.cell_anchors]
    return grid.iou_by_level([(stride, factor * x) for stride, x in zip(generator.strides, sides, strict=True)])


def _xyxy(annotation: dict[str, Any]) -> list[float]:
    box, mode = annotation["bbox"], annotation["bbox_mode"]
    if mode == BoxMode.XYWH_ABS:
        return [box[0], box[1], box[0] + box[2], box[1] + box[3]]
    return list(BoxMode.convert(list(box), mode, BoxMode.XYXY_ABS))
