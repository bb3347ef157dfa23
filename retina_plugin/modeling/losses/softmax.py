"""Losses of a softmax over the classes and background. Shapes as in `base.py`."""

import math

import torch
from detectron2.config import configurable
from torch import Tensor

from ...registry import CLS_LOSS_REGISTRY
from .alpha import normalize_alpha
from .base import ClassificationLoss, log_odds
from .checks import check_number, check_setting
from .kernels.closed_form import summed_loss
from .kernels.row_formulas import softmax_focal
from .targets import DenseTargets


@CLS_LOSS_REGISTRY.register()
class SoftmaxFocalLoss(ClassificationLoss):
    """-alpha_t (1 - p_t)^gamma log(p_t) with p_t the softmax probability of the label, summed over anchors.

    Background is the last of K + 1 logits and has weight 1 - alpha.
    Source: "Focal Loss for Dense Object Detection", equation 5, its p_t extended to many classes (section 3).
    """

    @configurable
    def __init__(self, alpha: float | None = 0.25, gamma: float = 2.0) -> None:
        """Set the weight `alpha` of the foreground in [0, 1], None for no weights, and the focus `gamma` >= 0."""
        super().__init__()
        self.alpha, self.gamma = normalize_alpha(alpha), gamma
        check_setting("alpha", self.alpha, not isinstance(self.alpha, tuple), "one number or null")
        check_number("gamma", gamma, "0 or more", lambda x: x >= 0)

    def elementwise(self, logits: Tensor, targets: DenseTargets) -> Tensor:
        label = targets.labels.clamp(min=0).long()[:, None]
        log_total = logits.logsumexp(dim=1, keepdim=True)
        log_p_t = logits.gather(1, label) - log_total
        log_error = logits.scatter(1, label, -math.inf).logsumexp(1, keepdim=True) - log_total
        focus = torch.exp(self.gamma * log_error)  # (1 - p_t)^gamma
        loss = -focus * log_p_t
        if self.alpha is not None:
            is_background = label == logits.shape[1] - 1
            loss = torch.where(is_background, (1 - self.alpha) * loss, self.alpha * loss)
        return torch.zeros_like(logits).scatter(1, label, loss)

    def row_loss(self, logits: Tensor, labels: Tensor, with_grad: bool) -> tuple[Tensor, Tensor | None]:
        """Loss of every anchor (M,) and its gradient (M, K + 1), a `kernels.closed_form.RowLoss`."""
        return softmax_focal(logits, labels, with_grad, gamma=self.gamma, alpha=self.alpha)

    def weighted_sum(self, logits: Tensor, targets: DenseTargets) -> Tensor:
        return summed_loss(logits, targets.labels, self.row_loss, targets.weights)

    def num_logits(self, num_classes: int) -> int:
        """One per class, and one for background; ValueError if there are no classes."""
        return super().num_logits(num_classes) + 1

    def scores(self, logits: Tensor) -> Tensor:
        """Softmax over the classes and background, without background: (..., K)."""
        return logits.softmax(dim=-1)[..., :-1]

    def prior_bias(self, num_classes: int, prior_prob: float) -> Tensor:
        """Bias (K + 1,) with which the classes together score `prior_prob`, in equal shares.

        A score of `prior_prob` for each class, as with sigmoids, would leave too little for background: .2 with 80
        classes at .01.
        """
        bias = torch.zeros(num_classes + 1)
        bias[-1] = torch.tensor(num_classes).log() - log_odds(prior_prob)
        return bias

    def extra_repr(self) -> str:
        return f"alpha={self.alpha}, gamma={self.gamma}"


@CLS_LOSS_REGISTRY.register()
class SoftmaxCrossEntropyLoss(SoftmaxFocalLoss):
    """-log softmax(logits)[label], summed over anchors, with background as the last of K + 1 logits."""

    @configurable
    def __init__(self) -> None:
        super().__init__(alpha=None, gamma=0.0)
