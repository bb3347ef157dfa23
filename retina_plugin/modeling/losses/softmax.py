"""Losses of a softmax over the classes and background. Shapes as in `base.py`."""

from __future__ import annotations

import torch
from detectron2.config import configurable
from torch import Tensor

from ...registry import CLS_LOSS_REGISTRY
from .alpha import normalize_alpha
from .base import ClassificationLoss, log_odds
from .kernels.functional import softmax_focal, summed_loss

__all__ = ["SoftmaxCrossEntropyLoss", "SoftmaxFocalLoss"]


@CLS_LOSS_REGISTRY.register()
class SoftmaxFocalLoss(ClassificationLoss):
    """-alpha_t (1 - p_t)^gamma log(p_t) with p_t the softmax probability of the label, summed over anchors.

    Background is the last of K + 1 logits and has weight 1 - alpha.
    Source: "Focal Loss for Dense Object Detection", equation 5, its p_t extended to many classes (section 3).
    """

    @configurable
    def __init__(self, alpha: float | None = 0.25, gamma: float = 2.0) -> None:
        """Weight of the foreground `alpha` in [0, 1], None for no weights; focusing `gamma` >= 0.

        Raises:
            ValueError: if either is out of range.
        """
        super().__init__()
        self.alpha, self.gamma = normalize_alpha(alpha), gamma
        if isinstance(self.alpha, tuple):
            raise ValueError(f"model.cls_loss.alpha must be one number or null, got {self.alpha}")
        if gamma < 0:
            raise ValueError(f"model.cls_loss.gamma must be 0 or more, got {gamma}")

    def extra_repr(self) -> str:
        """The settings, for `print(model)`."""
        return f"alpha={self.alpha}, gamma={self.gamma}"

    def num_logits(self, num_classes: int) -> int:
        """The classes and background."""
        return num_classes + 1

    def row_loss(
        self, logits: Tensor, labels: Tensor, with_grad: bool
    ) -> tuple[Tensor, Tensor | None]:
        """Loss of every anchor (M,) and its gradient (M, K + 1), see `functional.RowLoss`."""
        return softmax_focal(logits, labels, with_grad, gamma=self.gamma, alpha=self.alpha)

    def forward(self, logits: Tensor, labels: Tensor) -> Tensor:
        return summed_loss(logits, labels, self.row_loss)

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


@CLS_LOSS_REGISTRY.register()
class SoftmaxCrossEntropyLoss(SoftmaxFocalLoss):
    """-log softmax(logits)[label], summed over anchors, with background as the last of K + 1 logits."""

    @configurable
    def __init__(self) -> None:
        super().__init__(alpha=None, gamma=0.0)
