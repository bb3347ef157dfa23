"""The annotated boxes of a split at the size at which the network sees them, without reading any image."""

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from detectron2.config import instantiate
from detectron2.data import detection_utils
from detectron2.data import transforms as T
from detectron2.structures import BoxMode, Instances
from omegaconf import DictConfig
from torch import Tensor

from ...config import ConfigError
from ...data import DataError
from ...engine.setup import building
from ...printable import shown

Split = Literal["train", "test"]
Size = tuple[int, int]
_KEPT = ("bbox", "bbox_mode", "category_id", "iscrowd")  # of an annotation; masks would have to be resized


@dataclass(frozen=True)
class BoxImage:
    """The boxes of one image, in pixels of the resized image.

    Attributes:
        entry: the dataset dict.
        size: (H, W) after resizing, before padding.
        instances: G objects with gt_boxes and gt_classes; crowds and boxes without area are left out, as in training.
        areas: (G,) in square pixels of the original image, as in COCO's size ranges.
    """

    entry: dict[str, Any]
    size: tuple[int, int]
    instances: Instances
    areas: Tensor


@dataclass(frozen=True)
class BoxSet:
    """Images with their boxes, and what was done to them.

    Attributes:
        images: in the order of the data set.
        num_images: number of images of the split; `images` may be a random sample of them.
        left_out: number of objects that are no ground truth: crowds, and boxes without area.
        resizing: a sentence about the resolution.
    """

    images: list[BoxImage]
    num_images: int
    left_out: int
    resizing: str


def load_boxes(cfg: DictConfig, split: Split = "train", max_images: int = 1000) -> BoxSet:
    """The boxes of a split, resized by its mapper; a random resize counts as its median choice.

    At most `max_images` are taken, drawn at random but always the same ones.

    Raises:
        ConfigError: if the mapper of the split has no augmentations.
        DataError: if the data cannot be read, or have no box.
    """
    loader = cfg.dataloader[split]
    with building(cfg, "data"):
        entries, mapper = instantiate(loader.dataset), instantiate(loader.mapper)
    if not isinstance(getattr(mapper, "augmentations", None), T.AugmentationList):
        raise ConfigError(
            f"dataloader.{split}.mapper has no augmentations, so the size of its images is unknown: use "
            "retina_plugin.data.CheckedDatasetMapper"
        )
    resize, words = resizing(mapper.augmentations.augs)
    total = len(entries)
    if total > max_images:
        chosen = np.sort(np.random.default_rng(0).choice(total, max_images, replace=False))
        entries = [entries[i] for i in chosen]
    for entry in entries:
        if "height" not in entry or "width" not in entry:
            name = shown(entry["file_name"])
            raise DataError(f"image {name} has no height and width in its data set entry: add them")
    images = [resized_boxes(entry, resize) for entry in entries]
    number = sum(len(entry.get("annotations", ())) for entry in entries)
    kept = sum(len(image.instances) for image in images)
    if not kept:
        raise DataError(f"dataloader.{split}.dataset has no box to match with anchors ({len(images)} images)")
    return BoxSet(images, total, number - kept, words)


def resize_of(loader: DictConfig) -> Callable[[Size], Size]:
    """The function of `resizing` for the mapper of a data loader; the identity if that has no augmentations."""
    return resizing(instantiate(loader.mapper.get("augmentations", [])))[0]


def resizing(augmentations: Sequence[T.Augmentation | T.Transform]) -> tuple[Callable[[Size], Size], str]:
    """The function from the size (H, W) of an image to its size after augmentations, and a sentence about it.

    A random resize counts as its median choice; augmentations other than a resize count as keeping the size.
    """
    steps, words, left_out = [], [], []
    for augmentation in augmentations:
        if isinstance(augmentation, T.ResizeShortestEdge):
            side, how = _median_side(augmentation)
            steps.append(functools.partial(_with_shorter_side, side, augmentation.max_size))
            words.append(f"the shorter side is {side} pixels{how}, the longer one at most {augmentation.max_size}")
        elif isinstance(augmentation, T.Resize):
            steps.append(lambda size, new=augmentation.shape: tuple(new))
            words.append("all images are resized to {} x {} pixels".format(*augmentation.shape))
        elif not isinstance(augmentation, T.RandomFlip):
            left_out.append(type(augmentation).__name__)
    sentence = "; ".join(words) or "images keep their size"
    return (
        lambda size: functools.reduce(lambda size, step: step(size), steps, size),
        sentence + (f"; left out: {', '.join(left_out)}" if left_out else ""),
    )


def _with_shorter_side(side: int, most: int, size: Size) -> Size:
    return T.ResizeShortestEdge.get_output_shape(*size, side, most) if side else size  # as Detectron2, 0 keeps the size


def _median_side(augmentation: T.ResizeShortestEdge) -> tuple[int, str]:
    sides = sorted(augmentation.short_edge_length)
    if sides[0] == sides[-1]:
        return int(sides[0]), ""
    if augmentation.is_range:
        return (sides[0] + sides[-1]) // 2, f" (the middle of {sides[0]} to {sides[-1]})"
    return int(sides[len(sides) // 2]), f" (the median of {sides})"


def resized_boxes(entry: dict[str, Any], resize: Callable[[Size], Size]) -> BoxImage:
    """The boxes of a dataset dict with height and width after `resize`, see `resizing`."""
    before = int(entry["height"]), int(entry["width"])  # a json may say 640.0
    size = resize(before)
    own = [{k: a[k] for k in _KEPT if k in a} for a in entry.get("annotations", ()) if not a.get("iscrowd", 0)]
    sides = [BoxMode.convert(a["bbox"], a["bbox_mode"], BoxMode.XYWH_ABS)[2:] for a in own]
    transforms = T.TransformList([T.ResizeTransform(*before, *size)])
    resized = [detection_utils.transform_instance_annotations(a, transforms, size) for a in own]
    instances = detection_utils.annotations_to_instances(resized, size)
    instances, is_kept = detection_utils.filter_empty_instances(instances, return_mask=True)
    return BoxImage(entry, size, instances, torch.tensor(sides).float().reshape(-1, 2).prod(1)[is_kept])
