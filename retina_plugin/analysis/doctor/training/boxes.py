"""The boxes of the training data as the network sees them, and how well anchors fit them. G boxes."""

import functools
from dataclasses import dataclass

import numpy as np

from ...anchors.boxes import BoxImage, resize_of, resized_boxes
from ...anchors.shapes import GridBoxes
from ..subject import Subject

_MOST_IMAGES = 1000


@dataclass(frozen=True)
class TrainBoxes:
    """Objects of training images after the resize of the training augmentation.

    Attributes:
        images: I images with annotations, evenly spread over the data set.
        classes: (G,) labels.
        sizes: (G,) square root of the area in pixels of the resized image.
        original: (G,) the same in pixels of the original image.
        enlarged: (I,) factor between the sides of the resized and the original images.
    """

    images: list[BoxImage]
    classes: np.ndarray
    sizes: np.ndarray
    original: np.ndarray
    enlarged: np.ndarray


@functools.lru_cache(maxsize=1)
def train_boxes(subject: Subject) -> TrainBoxes:
    """The objects of up to 1,000 training images."""
    entries = [x for x in subject.train if x.get("annotations") and x.get("height") and x.get("width")]
    resize = resize_of(subject.cfg.dataloader.train)
    images = [resized_boxes(x, resize) for x in entries[:: -(-len(entries) // _MOST_IMAGES) or 1]]
    own = [image for image in images if len(image.instances)]
    sides = [np.divide(image.size, (image.entry["height"], image.entry["width"])).mean() for image in images]
    return TrainBoxes(
        images,
        np.concatenate([np.zeros(0, int), *(x.instances.gt_classes.numpy() for x in own)]),
        np.concatenate([np.zeros(0), *(x.instances.gt_boxes.area().sqrt().numpy() for x in own)]),
        np.concatenate([np.zeros(0), *(x.areas.sqrt().numpy() for x in own)]),
        np.array(sides),
    )


def train_fit(subject: Subject, factor: float = 1.0) -> np.ndarray:
    """(L, G) the highest IoU of each box with an anchor of each level, with all anchors `factor` times as large."""
    generator = subject.model.anchor_generator
    sides = [factor * (x[:, 2:] - x[:, :2]).double().numpy().T for x in generator.cell_anchors]
    return _grid(subject).iou_by_level(list(zip(generator.strides, sides, strict=True)))


@functools.lru_cache(maxsize=1)
def _grid(subject: Subject) -> GridBoxes:
    return GridBoxes.of(subject.model, train_boxes(subject).images)
