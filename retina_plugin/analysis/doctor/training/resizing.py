"""Sizes of images after the augmentation of a data loader."""

import functools
from collections.abc import Callable, Sequence

import numpy as np
from detectron2.config import instantiate
from detectron2.data import transforms as T
from omegaconf import DictConfig


def augmentations_of(loader: DictConfig) -> list[T.Augmentation]:
    """The augmentations of a data loader's mapper; none if it has no such argument."""
    return list(instantiate(loader.mapper.get("augmentations", [])))


def resize_of(augmentations: Sequence[T.Augmentation]) -> Callable[[int, int], tuple[int, int]]:
    """From height and width of an image to those after augmentation. A random size counts as its median.

    Augmentations other than a resize count as if they left the size as it is.
    """
    steps = [step for a in augmentations if (step := _step(a)) is not None]
    return lambda h, w: functools.reduce(lambda size, step: step(*size), steps, (h, w))


def _step(augmentation: T.Augmentation) -> Callable[[int, int], tuple[int, int]] | None:
    if isinstance(augmentation, T.ResizeShortestEdge):
        edge = int(np.median(augmentation.short_edge_length))
        return lambda h, w: T.ResizeShortestEdge.get_output_shape(h, w, edge, augmentation.max_size) if edge else (h, w)
    if isinstance(augmentation, T.Resize):
        return lambda h, w: tuple(augmentation.shape)
    return None
