"""How far a mapper's augmentations shrink an image, without an image."""

from collections.abc import Iterable
from typing import Any

import numpy as np
from detectron2.config import instantiate
from detectron2.data.transforms import ResizeShortestEdge

from ....config.calls import is_call


def resize_factors(augmentations: Iterable[Any] | None, sizes: np.ndarray) -> np.ndarray:
    """(N,) smallest factor by which ResizeShortestEdge multiplies the sides of images.

    Augmentations of other kinds count as none, because their result depends on the pixels or on chance.

    Args:
        augmentations: calls of a LazyConfig, before they are made.
        sizes: (N, 2) width and height of images in pixels.
    """
    factors = np.ones(len(sizes))
    for call in filter(is_call, augmentations or ()):
        target = call["_target_"]
        if target is ResizeShortestEdge or str(target).endswith(".ResizeShortestEdge"):
            edges = instantiate(call.get("short_edge_length"))
            edge = min(edges) if not isinstance(edges, int) else edges
            largest = call.get("max_size") or np.inf
            short, long = sizes.min(axis=1), sizes.max(axis=1)
            factors = factors * np.minimum(edge / short, largest / long)
    return factors
