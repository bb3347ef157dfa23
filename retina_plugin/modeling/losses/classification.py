"""Classification losses of one-stage detectors. Shapes as in `base.py`."""

from __future__ import annotations

from typing import Any

import torch
from detectron2.config import CfgNode, configurable
from fvcore.nn import sigmoid_focal_loss_jit
from torch import Tensor
from torch.nn import functional as F

from ...registry import CLS_LOSS_REGISTRY
from .base import ClassificationLoss, log_odds

__all__ = ["SigmoidCrossEntropyLoss", "SigmoidFocalLoss", "SoftmaxCrossEntropyLoss"]


@CLS_LOSS_REGISTRY.register()
class SigmoidFocalLoss(ClassificationLoss):
    """FL(p_t) = -alpha_t (1 - p_t)^gamma log(p_t), summed over anchors and classes.

    p_t is the probability given to what is there: p for the anchor's class, 1 - p for the others; alpha_t likewise.
    Source: "Focal Loss for Dense Object Detection", equation 5.
    """

    @configurable
    def __init__(self, alpha: float | None = 0.25, gamma: float = 2.0) -> None:
        """Weight of the positives `alpha` in [0, 1], None for no weights; focusing `gamma` >= 0.

        Raises:
            ValueError: if either is out of range.
        """
        super().__init__()
        if alpha is not None and not 0 <= alpha <= 1:
            raise ValueError(f"model.cls_loss.alpha must be in [0, 1] or null, got {alpha}")
        if gamma < 0:
            raise ValueError(f"model.cls_loss.gamma must be 0 or more, got {gamma}")
        self.alpha, self.gamma = alpha, gamma

    @classmethod
    def from_config(cls, cfg: CfgNode) -> dict[str, Any]:
        """Detectron2's own keys; a negative alpha there means no weights."""
        alpha = cfg.MODEL.RETINANET.FOCAL_LOSS_ALPHA
        return {
            "alpha": alpha if alpha >= 0 else None,
            "gamma": cfg.MODEL.RETINANET.FOCAL_LOSS_GAMMA,
        }

    def extra_repr(self) -> str:
        """The settings, for `print(model)`."""
        return f"alpha={self.alpha}, gamma={self.gamma}"

    def forward(self, logits: Tensor, labels: Tensor) -> Tensor:
        num_classes = logits.shape[1]
        valid_mask = labels >= 0
        targets = F.one_hot(labels[valid_mask], num_classes + 1)[:, :num_classes]
        return sigmoid_focal_loss_jit(
            logits[valid_mask],
            targets.to(logits.dtype),
            alpha=-1.0 if self.alpha is None else self.alpha,
            gamma=self.gamma,
            reduction="sum",
        )


@CLS_LOSS_REGISTRY.register()
class SigmoidCrossEntropyLoss(SigmoidFocalLoss):
    """CE(p_t) = -alpha_t log(p_t), summed over anchors and classes: focal loss without its factor.

    `alpha` 0.5 halves both sides and so is cross entropy at half the scale; None leaves it as it is.
    Source: "Focal Loss for Dense Object Detection", equations 1 and 3.
    """

    @configurable
    def __init__(self, alpha: float | None = None) -> None:
        super().__init__(alpha=alpha, gamma=0.0)

    @classmethod
    def from_config(cls, cfg: CfgNode) -> dict[str, Any]:
        """`MODEL.RETINANET.CE_LOSS_ALPHA`; negative means no weights."""
        alpha = cfg.MODEL.RETINANET.CE_LOSS_ALPHA
        return {"alpha": alpha if alpha >= 0 else None}


@CLS_LOSS_REGISTRY.register()
class SoftmaxCrossEntropyLoss(ClassificationLoss):
    """-log softmax(logits)[label], summed over anchors, with background as the last of K + 1 logits."""

    @classmethod
    def from_config(cls, cfg: CfgNode) -> dict[str, Any]:
        """Nothing to set."""
        return {}

    @configurable
    def __init__(self) -> None:
        super().__init__()

    def num_logits(self, num_classes: int) -> int:
        """The classes and background."""
        return num_classes + 1

    def forward(self, logits: Tensor, labels: Tensor) -> Tensor:
        return F.cross_entropy(logits, labels, ignore_index=-1, reduction="sum")

    def scores(self, logits: Tensor) -> Tensor:
        """Softmax over the classes and background, without background: (..., K)."""
        return logits.softmax(dim=-1)[..., :-1]

    def prior_bias(self, num_classes: int, prior_prob: float) -> Tensor:
        """The classes share `prior_prob` evenly and background has the rest.

        A probability of `prior_prob` for each class cannot be had: with 80 classes at .01 background would start at .2.
        """
        bias = torch.zeros(num_classes + 1)
        bias[-1] = torch.tensor(num_classes).log() - log_odds(prior_prob)
        return bias
