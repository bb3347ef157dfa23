"""One pass over images: the log-odds of all elements of a detector, by level, class and size of object."""

import numpy as np
import torch
from torch import Tensor

from ...evaluation.box_metrics import SIZE_LIMITS, SIZES
from ..dense import DenseImage
from .elements import BACKGROUND, FOREGROUND, NUM_KINDS, OTHER, Elements, elements_of
from .histogram import LogitHistogram

_SIDES = torch.tensor(SIZE_LIMITS).sqrt()  # in pixels of the original image, for the root of a box's area


class Xray:
    """Histograms and counts over the images added so far, in memory that does not grow with them. K classes, L levels.

    Attributes:
        by_level: (kind, L) histograms, see `elements.py` for kinds.
        by_class: (kind, K) histograms; (kind, K + 1) of a softmax, where index K is background.
        by_size: (3,) histograms of foreground, for objects of `SIZES`.
        objects: (K, 3) objects by class and size, without crowds.
        anchors: (3,) numbers of anchors that are foreground, background and ignored.
        num_images: number of images so far.
    """

    def __init__(self, num_classes: int, num_levels: int, num_logits: int) -> None:
        """Begin without images."""
        self.num_classes, self.num_levels, self.num_logits = num_classes, num_levels, num_logits
        self.by_level = LogitHistogram.empty(NUM_KINDS, num_levels)
        self.by_class = LogitHistogram.empty(NUM_KINDS, num_logits)
        self.by_size = LogitHistogram.empty(len(SIZES))
        self.objects = np.zeros((num_classes, len(SIZES)), np.int64)
        self.anchors = np.zeros(3, np.int64)
        self.num_images = 0

    @property
    def is_softmax(self) -> bool:
        """Whether an element is an anchor, as with a softmax, and not a logit."""
        return self.num_logits != self.num_classes

    @property
    def foreground_share(self) -> float:
        """Share of foreground among the (anchor, class) pairs of anchors that are not ignored; NaN without anchors."""
        total = int(self.anchors[:2].sum()) * self.num_classes
        return float(self.anchors[0] / total) if total else float("nan")

    def add(self, image: DenseImage) -> None:
        """Add all elements and objects of an image."""
        self.num_images += 1
        labels = image.labels
        is_foreground = (labels >= 0) & (labels < self.num_classes)
        counts = is_foreground.sum(), (labels == self.num_classes).sum(), (labels < 0).sum()
        self.anchors += np.array([int(x) for x in counts])
        size_of_anchor = size_of(image.boxes, image.scale)
        for part in elements_of(image, self.num_classes):
            self._add(part, image.levels, size_of_anchor)
        objects = image.ground_truth
        place = objects.gt_classes * len(SIZES) + size_of(objects.gt_boxes.tensor, image.scale)
        self.objects += torch.bincount(place, minlength=self.objects.size).numpy().reshape(self.objects.shape)

    def _add(self, part: Elements, levels: Tensor, sizes: Tensor) -> None:
        self.by_level.add(part.kind * self.num_levels + levels[part.anchor], part.x_t)
        self.by_class.add(part.kind * self.num_logits + part.category, part.x_t)
        own = part.kind == FOREGROUND
        self.by_size.add(sizes[part.anchor[own]], part.x_t[own])

    def elements(self, foreground: bool) -> tuple[np.ndarray, np.ndarray]:
        """(B,) numbers of foreground or background elements by their x_t, and the mean x_t of every bin."""
        kinds = [FOREGROUND] if foreground else [BACKGROUND, OTHER]
        pooled = LogitHistogram(*(x[kinds].sum((0, 1)) for x in (self.by_level.count, self.by_level.total)))
        return pooled.count, pooled.mean()


def size_of(boxes: Tensor, scale: tuple[float, float]) -> Tensor:
    """(N,) index into `SIZES` of boxes (N, 4) in an image resized by `scale`, horizontally and vertically."""
    sides = (boxes[:, 2:] - boxes[:, :2]) / torch.tensor(scale)
    return torch.bucketize(sides.prod(1).clamp(min=0).sqrt(), _SIDES, right=True)
