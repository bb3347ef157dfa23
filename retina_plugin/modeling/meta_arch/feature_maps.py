"""Shapes of feature maps, and so the anchors and the foreground of a batch, without running the network."""

import copy
import functools
from typing import Any

import torch
from detectron2.modeling.meta_arch import DenseDetector
from detectron2.structures import Boxes
from torch import Tensor

from . import settings
from .training import RetinaNetTraining


class FeatureMaps:
    """Zeros in the shapes of a detector's feature maps.

    The backbone runs on PyTorch's meta device, which gives the shapes of its features without computing them.
    """

    def __init__(self, model: DenseDetector) -> None:
        """`model` may be on any device; its backbone is copied."""
        self._backbone = copy.deepcopy(model.backbone).to("meta").eval()
        self._names = tuple(model.head_in_features)
        self._channels = num_channels(model)
        self._of_size = functools.cache(self._compute)

    def __call__(self, height: int, width: int) -> list[Tensor]:
        """Zeros (1, C, Hi, Wi) per level, for a padded image of this size in pixels; they are views of one number."""
        return self._of_size(height, width)

    @torch.no_grad()
    def _compute(self, height: int, width: int) -> list[Tensor]:
        features = self._backbone(torch.zeros(1, self._channels, height, width, device="meta"))
        return [torch.zeros(()).expand(features[name].shape) for name in self._names]


def num_channels(model: DenseDetector) -> int:
    """Channels of the images that a detector's backbone gets; pixel mean and image may be broadcast to each other."""
    return max(len(model.pixel_mean), settings.channels_of_format(getattr(model, "input_format", "BGR")))


class ForegroundCounter:
    """Counts the (anchor, class) logits of a batch, and how many of them training labels as foreground."""

    def __init__(self, model: RetinaNetTraining) -> None:
        """`model` gives anchors, padding and label assignment, and must be on the CPU."""
        self.model = model
        self.features = FeatureMaps(model)

    @torch.no_grad()
    def __call__(self, batch: list[dict[str, Any]]) -> tuple[float, float]:
        """Number of foreground logits, and of all logits of anchors that are not ignored.

        An anchor counts with its weight if the label assigner gives weights. `batch` are inputs of the detector with
        "instances".
        """
        height, width = self.model.preprocess_image(batch).tensor.shape[-2:]
        anchors = self.anchors(height, width)
        targets = self.model.training_targets(anchors, [inputs["instances"] for inputs in batch])
        labels, weights = targets.labels, targets.weights
        counts = torch.ones_like(labels, dtype=torch.float64) if weights is None else weights.double()
        is_foreground = (labels >= 0) & (labels < self.model.num_classes)
        return counts[is_foreground].sum().item(), self.model.num_classes * counts[labels >= 0].sum().item()

    def anchors(self, height: int, width: int) -> list[Boxes]:
        """The anchors (Ri, 4) of every level for padded images of this size."""
        return self.model.anchor_generator(self.features(height, width))
