"""Classification and box losses, registered by name in `CLS_LOSS_REGISTRY` and `BOX_LOSS_REGISTRY`."""

from .alpha import effective_number_alpha
from .base import ClassificationLoss, build_cls_loss
from .box import BoxLoss, CIoULoss, DIoULoss, GIoULoss, SmoothL1Loss, build_box_loss
from .focal_variants import AsymmetricFocalLoss, PolyFocalLoss, SigmoidFocalStarLoss, SigmoidHingeLoss
from .ghm import GHMCLoss
from .ohem import OHEMCrossEntropyLoss
from .per_anchor import anchor_sums
from .sigmoid import SigmoidCrossEntropyLoss, SigmoidFocalLoss
from .softmax import SoftmaxCrossEntropyLoss, SoftmaxFocalLoss
from .stationary import STATIONARY, start_distance, stationary_prob
from .targets import DenseTargets

__all__ = [
    "AsymmetricFocalLoss",
    "BoxLoss",
    "CIoULoss",
    "ClassificationLoss",
    "DIoULoss",
    "DenseTargets",
    "GHMCLoss",
    "GIoULoss",
    "OHEMCrossEntropyLoss",
    "PolyFocalLoss",
    "SigmoidCrossEntropyLoss",
    "SigmoidFocalLoss",
    "SigmoidFocalStarLoss",
    "SigmoidHingeLoss",
    "SmoothL1Loss",
    "SoftmaxCrossEntropyLoss",
    "SoftmaxFocalLoss",
    "STATIONARY",
    "anchor_sums",
    "build_box_loss",
    "build_cls_loss",
    "effective_number_alpha",
    "start_distance",
    "stationary_prob",
]
