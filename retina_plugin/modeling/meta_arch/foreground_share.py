"""Counting of foreground among the logits of training batches, without running the network."""

import copy
import functools
from typing import Any

import torch
from detectron2.structures import Boxes
from torch import Tensor

from .training import RetinaNetTraining


class ForegroundCounter:
    """Counts the (anchor, class) logits of a batch and those of them that are foreground, as training labels them.

    The backbone runs on PyTorch's meta device, which gives the shapes of its features without computing them.
    """

    def __init__(self, model: RetinaNetTraining) -> None:
        """`model` gives anchors, padding and label assignment, and must be on the CPU."""
        self.model = model
        self._backbone = copy.deepcopy(model.backbone).to("meta").eval()
        self.features = functools.cache(self._features_of)

    @torch.no_grad()
    def __call__(self, batch: list[dict[str, Any]]) -> tuple[float, float]:
        """Foreground logits, and all logits of anchors that are not ignored; weighted if the label assigner weights.

        `batch` are inputs of the detector with "instances".
        """
        height, width = self.model.preprocess_image(batch).tensor.shape[-2:]
        anchors = self.anchors(height, width)
        targets = self.model.assign_labels(anchors, [inputs["instances"] for inputs in batch])
        labels, weights = targets.labels, targets.weights
        counts = torch.ones_like(labels, dtype=torch.float64) if weights is None else weights.double()
        is_foreground = (labels >= 0) & (labels < self.model.num_classes)
        return counts[is_foreground].sum().item(), self.model.num_classes * counts[labels >= 0].sum().item()

    def anchors(self, height: int, width: int) -> list[Boxes]:
        """The anchors (Ri, 4) of every level for padded images of this size."""
        return self.model.anchor_generator(self.features(height, width))

    def _features_of(self, height: int, width: int) -> list[Tensor]:
        """Zeros in the shapes of an image's feature maps, which take no memory."""
        features = self._backbone(torch.zeros(1, 3, height, width, device="meta"))
        return [torch.zeros(()).expand(features[name].shape) for name in self.model.head_in_features]
