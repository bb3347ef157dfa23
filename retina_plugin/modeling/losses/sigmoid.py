"""Focal loss and cross entropy of sigmoids. Shapes as in `base.py`; x_t, p_t and alpha_t as in `one_vs_all.py`."""

from collections.abc import Sequence
from functools import partial
from typing import Any

import torch
from detectron2.config import CfgNode, configurable
from torch import Tensor
from torch.nn.functional import logsigmoid

from ...registry import CLS_LOSS_REGISTRY
from .base import ClassificationLoss
from .checks import check_number
from .kernels import binary_losses
from .one_vs_all import OneVsAllLoss, signed_logits
from .targets import DenseTargets


@CLS_LOSS_REGISTRY.register()
class SigmoidFocalLoss(OneVsAllLoss):
    """FL(p_t) = -alpha_t (1 - p_t)^gamma log(p_t), summed over anchors and classes.

    Source: "Focal Loss for Dense Object Detection", equation 5. With `label_smoothing` the logarithm becomes cross
    entropy with targets 1 - label_smoothing / 2 and label_smoothing / 2, as in EfficientDet's code.
    """

    @configurable
    def __init__(
        self, alpha: float | Sequence[float] | None = 0.25, gamma: float = 2.0, label_smoothing: float = 0.0
    ) -> None:
        """Set the weights and the focus.

        Args:
            alpha: weight of the positives in [0, 1], one for all or one per class; None for no weights.
            gamma: focusing parameter, 0 or more.
            label_smoothing: in [0, 1), the share of the target that is split between present and absent.
        """
        check_number("gamma", gamma, "0 or more", lambda x: x >= 0)
        check_number("label_smoothing", label_smoothing, "in [0, 1)", lambda x: 0 <= x < 1)
        super().__init__(alpha, partial(binary_losses.focal, gamma=gamma, label_smoothing=label_smoothing))
        self.gamma, self.label_smoothing = gamma, label_smoothing

    def elementwise(self, logits: Tensor, targets: DenseTargets) -> Tensor:
        x_t = signed_logits(logits, targets.labels)
        focus = torch.exp(self.gamma * logsigmoid(-x_t))  # (1 - p_t)^gamma
        cross_entropy = -logsigmoid(x_t) + self.label_smoothing / 2 * x_t
        return self.alpha_t(logits, targets.labels) * focus * cross_entropy

    @classmethod
    def from_config(cls, cfg: CfgNode) -> dict[str, Any]:
        """Read Detectron2's keys for alpha and gamma, where a negative alpha means no weights."""
        alpha = cfg.MODEL.RETINANET.FOCAL_LOSS_ALPHA
        focal = {"alpha": None if alpha < 0 else alpha, "gamma": cfg.MODEL.RETINANET.FOCAL_LOSS_GAMMA}
        return focal | super().from_config(cfg)


@CLS_LOSS_REGISTRY.register()
class SigmoidCrossEntropyLoss(SigmoidFocalLoss):
    """CE(p_t) = -alpha_t log(p_t), summed over anchors and classes: focal loss with gamma 0.

    `alpha` 0.5 halves the loss of positives and negatives alike; None does not weight them.
    Source: "Focal Loss for Dense Object Detection", equations 1 and 3.
    """

    @configurable
    def __init__(self, alpha: float | Sequence[float] | None = None, label_smoothing: float = 0.0) -> None:
        super().__init__(alpha=alpha, gamma=0.0, label_smoothing=label_smoothing)

    @classmethod
    def from_config(cls, cfg: CfgNode) -> dict[str, Any]:
        """Read `MODEL.RETINANET.CE_LOSS_ALPHA`, where a negative value means no weights."""
        alpha = cfg.MODEL.RETINANET.CE_LOSS_ALPHA
        return {"alpha": None if alpha < 0 else alpha} | ClassificationLoss.from_config(cfg)
