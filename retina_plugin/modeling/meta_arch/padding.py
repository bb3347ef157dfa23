"""Padding of images to one size that may exceed the largest image of this forward pass."""

from __future__ import annotations

from collections.abc import Sequence

from detectron2.modeling import Backbone
from detectron2.structures import ImageList
from torch import Tensor


def pad_images(images: Sequence[Tensor], padded_size: tuple[int, int], backbone: Backbone) -> ImageList:
    """Pad images (3, Hi, Wi) with zeros to one common size, in a single copy.

    Args:
        images: normalized images.
        padded_size: smallest (H, W) to pad to, that of the largest image of the whole batch.
        backbone: its `size_divisibility` is respected.
    """
    image_sizes = [(x.shape[-2], x.shape[-1]) for x in images]
    constraints = backbone.padding_constraints
    divisor = max(constraints.get("size_divisibility", backbone.size_divisibility), 1)
    height, width = (-(-max(sizes) // divisor) * divisor for sizes in zip(padded_size, *image_sizes, strict=True))
    batch = images[0].new_zeros(len(images), images[0].shape[0], height, width)
    for padded, image, (h, w) in zip(batch, images, image_sizes, strict=True):
        padded[:, :h, :w] = image
    return ImageList(batch, image_sizes)
