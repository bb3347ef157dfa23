"""What a training pass of the detector hands to an observer."""

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor

from ..losses import DenseTargets


@dataclass(frozen=True)
class TrainingPass:
    """Logits and targets of all M = N R anchors of N images, ordered by image, then by level.

    Attributes:
        logits: (M, C), without gradients, in the precision of the training.
        targets: the targets that the classification loss gets.
        gt_boxes: (M, 4) the ground truth that a foreground anchor is assigned to, XYXY in pixels of the image that the
            network sees; undefined for other anchors.
        level_sizes: number of anchors of each level in an image; their sum is R.
    """

    logits: Tensor
    targets: DenseTargets
    gt_boxes: Tensor
    level_sizes: list[int]


Observer = Callable[[TrainingPass], None]
"""Called before the classification loss is computed. It must not change the loss's state or draw random numbers."""
