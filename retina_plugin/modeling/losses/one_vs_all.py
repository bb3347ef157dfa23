"""The base of losses of K independent sigmoids. Shapes as in `base.py`.

As in the focal loss paper, p_t is the probability of the ground truth: p for the anchor's class and 1 - p for the
others. Likewise, alpha_t is alpha or 1 - alpha. p_t = sigmoid(x_t), where x_t is x for the anchor's class and -x for
the others.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from .alpha import normalize_alpha
from .base import ClassificationLoss
from .kernels.binary_losses import BinaryLoss
from .kernels.closed_form import summed_loss
from .kernels.row_formulas import one_vs_all
from .targets import DenseTargets


def is_present(logits: Tensor, labels: Tensor) -> Tensor:
    """Whether a logit belongs to the class of its anchor: (M, K) booleans for logits (M, K) and labels (M,)."""
    return labels[:, None] == torch.arange(logits.shape[1], device=labels.device)


def signed_logits(logits: Tensor, labels: Tensor) -> Tensor:
    """x_t (M, K) of logits (M, K) and labels (M,)."""
    return torch.where(is_present(logits, labels), logits, -logits)


class OneVsAllLoss(ClassificationLoss):
    """A loss of x_t, weighted by alpha_t and summed over anchors and classes.

    A subclass defines the formula in `elementwise`, and passes the same formula as kernels to the constructor.
    """

    def __init__(
        self, alpha: float | Sequence[float] | None, negative: BinaryLoss, positive: BinaryLoss | None = None
    ) -> None:
        """Set `alpha`, the weight of positives in [0, 1], one for all or one per class; None for no weights.

        `negative` is the kernel for absent classes, `positive` the one for the present class; None to use `negative`.
        """
        super().__init__()
        self.alpha = normalize_alpha(alpha)
        self._negative, self._positive = negative, positive or negative
        vector = torch.tensor(self.alpha, dtype=torch.float64) if isinstance(self.alpha, tuple) else None
        self.register_buffer("_alpha_vector", vector, persistent=False)

    def num_logits(self, num_classes: int) -> int:
        """One per class.

        Raises:
            ValueError: if `alpha` is a sequence of another length, or `num_classes` is below 1.
        """
        if isinstance(self.alpha, tuple) and len(self.alpha) != num_classes:
            raise ValueError(
                f"model.cls_loss.alpha has {len(self.alpha)} weights, but model.num_classes is {num_classes}"
            )
        return super().num_logits(num_classes)

    def alpha_t(self, logits: Tensor, labels: Tensor) -> Tensor:
        """alpha_t (M, K) of logits (M, K) and labels (M,), all 1 without weights."""
        if self.alpha is None:
            return torch.ones_like(logits)
        alpha = logits.new_tensor(self.alpha)
        return torch.where(is_present(logits, labels), alpha, 1 - alpha)

    def row_loss(self, logits: Tensor, labels: Tensor, with_grad: bool) -> tuple[Tensor, Tensor | None]:
        """Loss of every anchor (M,) and its gradient (M, K), a `kernels.closed_form.RowLoss`."""
        alpha = self.alpha if self._alpha_vector is None else self._alpha_vector.to(logits)
        return one_vs_all(logits, labels, with_grad, negative=self._negative, positive=self._positive, alpha=alpha)

    def weighted_sum(self, logits: Tensor, targets: DenseTargets) -> Tensor:
        return summed_loss(logits, targets.labels, self.row_loss, targets.weights)

    def extra_repr(self) -> str:
        settings = getattr(self._negative, "keywords", {}) | {"alpha": self.alpha}
        return ", ".join(f"{key}={value}" for key, value in settings.items())
