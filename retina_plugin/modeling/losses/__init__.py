"""The loss family. `CLS_LOSS_REGISTRY` and `BOX_LOSS_REGISTRY` hold it by name."""

from .base import BoxLoss, ClassificationLoss
from .box import CIoULoss, DIoULoss, GIoULoss, SmoothL1Loss
from .build import build_box_loss, build_cls_loss
from .classification import SigmoidCrossEntropyLoss, SigmoidFocalLoss, SoftmaxCrossEntropyLoss

__all__ = [
    "BoxLoss",
    "CIoULoss",
    "ClassificationLoss",
    "DIoULoss",
    "GIoULoss",
    "SigmoidCrossEntropyLoss",
    "SigmoidFocalLoss",
    "SmoothL1Loss",
    "SoftmaxCrossEntropyLoss",
    "build_box_loss",
    "build_cls_loss",
]
