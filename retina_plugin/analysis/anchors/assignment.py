"""The anchors that the matcher of training assigns to every box of a data set. N boxes, L levels."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from detectron2.structures import Boxes, pairwise_iou
from torch import Tensor

from .boxes import BoxImage
from .detector import AnchorDetector


@dataclass(frozen=True)
class Assignment:
    """What the matcher assigns to the boxes of a data set.

    Attributes:
        image: (N,) index of the box's image.
        classes: (N,) labels.
        sides: (N, 2) width and height in pixels of the resized image.
        areas: (N,) in pixels of the original image.
        best_iou: (N,) the highest IoU with any anchor.
        best_level: (N,) index of that anchor's level.
        strict: (N, L) number of foreground anchors without low-quality matches.
        lenient: (N, L) number of foreground anchors with low-quality matches.
        anchors, ignored: (L,) number of anchors in all images, and of those that the config's matcher ignores.
        allows_low_quality: whether the config's matcher has low-quality matches.
        threshold: IoU from which an anchor is foreground.
    """

    image: Tensor
    classes: Tensor
    sides: Tensor
    areas: Tensor
    best_iou: Tensor
    best_level: Tensor
    strict: Tensor
    lenient: Tensor
    anchors: Tensor
    ignored: Tensor
    allows_low_quality: bool
    threshold: float

    @property
    def foreground(self) -> Tensor:
        """(N, L) number of foreground anchors under the config's own matcher."""
        return self.lenient if self.allows_low_quality else self.strict

    @property
    def reachable(self) -> Tensor:
        """(N,) whether some anchor has an IoU of at least the threshold, even if another box takes it."""
        return self.best_iou >= self.threshold

    @property
    def own(self) -> Tensor:
        """(N,) whether an anchor with an IoU of at least the threshold is assigned to the box."""
        return self.strict.sum(1) > 0

    @property
    def low_quality_only(self) -> Tensor:
        """(N,) whether only low-quality matches are assigned to the box."""
        return ~self.own & (self.foreground.sum(1) > 0)

    @property
    def crowded_out(self) -> Tensor:
        """(N,) whether the box has candidate anchors, but other boxes take all of them."""
        candidates = torch.ones_like(self.reachable) if self.allows_low_quality else self.reachable
        return candidates & (self.foreground.sum(1) == 0)


def assign(detector: AnchorDetector, images: Sequence[BoxImage]) -> Assignment:
    """Match the boxes of all images with their anchors; images without a box only count their anchors."""
    levels = len(detector.levels)
    found, anchors, ignored = [], torch.zeros(levels, dtype=torch.int64), torch.zeros(levels, dtype=torch.int64)
    for place, image in enumerate(images):
        by_level = detector.anchors(image.size)
        numbers = torch.tensor([len(x) for x in by_level])
        anchors += numbers
        if len(image.instances):
            level_of = torch.repeat_interleave(torch.arange(levels), numbers)
            columns, ignored_here = _match(detector, image, Boxes.cat(by_level), level_of)
            found.append((torch.full((len(image.instances),), place), *columns))
            ignored += ignored_here
    columns = [torch.cat(x) for x in zip(*found, strict=True)]
    return Assignment(*columns, anchors, ignored, detector.matcher.allow_low_quality_matches, detector.threshold)


def _match(
    detector: AnchorDetector, image: BoxImage, anchors: Boxes, level_of: Tensor
) -> tuple[tuple[Tensor, ...], Tensor]:
    """The columns of `Assignment` for the boxes of one image, from `classes` on, and ignored anchors by level."""
    boxes, levels = image.instances.gt_boxes, len(detector.levels)
    iou = pairwise_iou(boxes, anchors)
    best_iou, best = iou.max(dim=1)
    counts = []
    for allow in (False, True):
        matches, labels = detector.other_matcher(allow)(iou)
        cells = (matches * levels + level_of)[labels == 1]
        counts.append(torch.bincount(cells, minlength=len(boxes) * levels).view(-1, levels))
        if allow == detector.matcher.allow_low_quality_matches:
            ignored = torch.bincount(level_of[labels == -1], minlength=levels)
    sides = boxes.tensor[:, 2:] - boxes.tensor[:, :2]
    return (image.instances.gt_classes, sides, image.areas, best_iou, level_of[best], *counts), ignored
