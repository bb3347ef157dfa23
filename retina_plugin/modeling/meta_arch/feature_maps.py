"""Shapes of feature maps, which determine the anchors of an image, without running the network."""

import copy
import functools

import torch
from detectron2.modeling.meta_arch import DenseDetector
from torch import Tensor


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
    return max(len(model.pixel_mean), 1 if getattr(model, "input_format", "BGR") == "L" else 3)
