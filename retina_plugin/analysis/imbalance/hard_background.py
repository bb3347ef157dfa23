"""The background anchors with the largest gradient: neighbours of labelled objects, often objects without a label."""

import heapq
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from detectron2.structures import Boxes, pairwise_iou
from torch import Tensor
from torchvision.ops import clip_boxes_to_image, nms

from ...modeling.meta_arch import PluggableRetinaNet
from ..dense import DenseImage

_SAME_PLACE = 0.3  # IoU of decoded boxes, of whatever class
APART = 0.3  # IoU with labelled objects below which a place counts as one without a label
_CANDIDATES = 50  # anchors examined in each image, per wanted picture


@dataclass(frozen=True)
class HardAnchor:
    """A background anchor. Boxes are XYXY in pixels of the original image.

    Attributes:
        gradient_norm: norm of the gradient of the run's own loss by the anchor's logits.
        anchor: (4,) the anchor itself.
        box: (4,) the box that the detector predicts there.
        category, score: its class with the highest score.
        overlap: highest IoU of the box with a labelled object; 0 without any.
        nearest: class of that object; None without any.
        objects: (G, 4) all labelled objects of the image.
    """

    gradient_norm: float
    file_name: str
    anchor: np.ndarray
    box: np.ndarray
    category: int
    score: float
    overlap: float
    nearest: int | None
    objects: np.ndarray

    @property
    def is_apart(self) -> bool:
        """Whether the box has an IoU below `APART` with every labelled object."""
        return self.overlap < APART


@dataclass
class HardBackground:
    """The hardest background anchors of all images added so far, each place once.

    There are at most `number`: the first half overlaps labelled objects, the second half does not (`is_apart`). Each
    half is sorted, hardest first.
    """

    model: PluggableRetinaNet
    number: int
    found: list[HardAnchor] = field(default_factory=list)

    def add(self, image: DenseImage) -> None:
        """Look at the background anchors of an image.

        Raises:
            NotImplementedError: if the loss does not define `elementwise`.
        """
        if not self.number:
            return
        gradient = self.model.cls_loss.loss_and_gradient(image.logits, image.targets)[1]
        gradient_norm = gradient.norm(dim=1).masked_fill(image.labels != self.model.num_classes, 0)
        hardest = gradient_norm.topk(min(_CANDIDATES * self.number, len(gradient_norm))).indices
        hardest = hardest[gradient_norm[hardest] > 0]
        boxes = self.model.box2box_transform.apply_deltas(image.deltas[hardest], image.anchors[hardest])
        boxes = clip_boxes_to_image(boxes, image.image.shape[-2:])
        kept = nms(boxes, gradient_norm[hardest], _SAME_PLACE)
        new = _describe(image, self.model, hardest[kept], boxes[kept], gradient_norm[hardest[kept]].tolist())
        apart = [x for x in [*self.found, *new] if x.is_apart]
        beside = [x for x in [*self.found, *new] if not x.is_apart]
        half = self.number // 2
        self.found = _hardest(beside, self.number - half) + _hardest(apart, half)


def _hardest(anchors: list[HardAnchor], number: int) -> list[HardAnchor]:
    return heapq.nlargest(number, anchors, key=lambda anchor: anchor.gradient_norm)


def _describe(
    image: DenseImage, model: PluggableRetinaNet, anchors: Tensor, boxes: Tensor, gradient_norm: Sequence[float]
) -> list[HardAnchor]:
    scores, categories = model.cls_loss.scores(image.logits[anchors].float()).max(1)
    truth = image.ground_truth.gt_boxes
    overlaps = pairwise_iou(Boxes(boxes), truth) if len(truth) else torch.zeros(len(boxes), 1)
    overlap, nearest = overlaps.max(1)
    scale = torch.tensor(image.scale * 2)
    originals = [(x / scale).numpy() for x in (image.anchors[anchors], boxes, truth.tensor)]
    return [
        HardAnchor(
            gradient_norm[i], image.entry["file_name"], originals[0][i], originals[1][i], int(categories[i]),
            float(scores[i]), float(overlap[i]),
            int(image.ground_truth.gt_classes[nearest[i]]) if len(truth) else None, originals[2],
        )
        for i in range(len(anchors))
    ]  # fmt: skip
