"""The boxes of the training data as the network sees them, and how well anchors fit them. G boxes."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from detectron2.structures import Boxes, BoxMode

from ....modeling.assigners.sparse import AnchorBlocks
from ....modeling.meta_arch import ForegroundCounter, PluggableRetinaNet
from ..subject import Subject
from .resizing import augmentations_of, resize_of

_MOST_IMAGES = 1000
_LEAST_IOU, _FOREGROUND = 0.2, 0.5
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


@dataclass(frozen=True)
class Fit:
    """How well anchors fit boxes.

    Attributes:
        iou: (G,) the highest IoU of each box with an anchor; 0 for less than .2.
        levels: those with an anchor that is the best of a box, or has an IoU of .5.
    """

    iou: np.ndarray
    levels: frozenset[int]


def fit_of(counter: ForegroundCounter, found: TrainBoxes, most_images: int = _MOST_IMAGES) -> Fit:
    """The fit of a detector's anchors at their places in the padded images. The network itself does not run."""
    iou, levels = torch.zeros(len(found.boxes)), set()
    blocks = functools.cache(lambda shape: _blocks(counter, *shape))
    for i, shape in enumerate(found.shapes[:most_images]):
        own = np.flatnonzero(found.images == i)
        anchors, of_level = blocks(_padded(counter.model, shape))
        if not len(own) or not len(anchors.anchors):
            continue
        rows, places, values = anchors.overlaps(found.boxes[own], _LEAST_IOU)
        best = torch.zeros(len(own)).scatter_reduce_(0, rows, values, "amax")
        iou[own] = best
        levels |= set(of_level[places[(values == best[rows]) | (values >= _FOREGROUND)]].tolist())
    in_sample = found.images < most_images
    return Fit(iou.numpy()[in_sample], frozenset(levels))


@functools.lru_cache(maxsize=1)
def counter_of(subject: Subject) -> ForegroundCounter:
    """Gives the anchors of the config's detector for images of any size."""
    return ForegroundCounter(subject.model)


def _padded(model: PluggableRetinaNet, shape: tuple[int, int]) -> tuple[int, int]:
    divisor = max(model.backbone.padding_constraints.get("size_divisibility", model.backbone.size_divisibility), 1)
    height, width = (-(-side // divisor) * divisor for side in shape)
    return height, width


def _blocks(counter: ForegroundCounter, height: int, width: int) -> tuple[AnchorBlocks, torch.Tensor]:
    with torch.no_grad():
        anchors = counter.anchors(height, width)
    of_level = torch.repeat_interleave(torch.arange(len(anchors)), torch.tensor([len(x) for x in anchors]))
    return AnchorBlocks(Boxes.cat(anchors).tensor), of_level


def _xyxy(annotation: dict[str, Any]) -> list[float]:
    box, mode = annotation["bbox"], annotation["bbox_mode"]
    if mode == BoxMode.XYWH_ABS:
        return [box[0], box[1], box[0] + box[2], box[1] + box[3]]
    return list(BoxMode.convert(list(box), mode, BoxMode.XYXY_ABS))
