"""Losses of K independent logits per row, in closed form. Shapes as in `row_losses.py`."""

from __future__ import annotations

import torch
from torch import Tensor

from .binary_losses import BinaryLoss
from .chunks import can_branch_on_values

__all__ = ["one_vs_all"]


def one_vs_all(
    logits: Tensor,
    labels: Tensor,
    with_grad: bool,
    *,
    negative: BinaryLoss,
    positive: BinaryLoss,
    alpha: float | Tensor | None,
) -> tuple[Tensor, Tensor | None]:
    """Loss of every row (M,) and its gradient (M, K).

    All logits are first computed as negatives. The one positive of each foreground row is then replaced, because
    foreground rows are few.

    Args:
        logits: (M, K).
        labels: (M,) from 0 to K.
        with_grad: whether to compute the gradient.
        negative: loss where the class is absent, weighted by 1 - alpha.
        positive: loss where it is present, weighted by alpha.
        alpha: a scalar, one for every class (K,), or None for no weights.
    """
    num_classes = logits.shape[1]
    value, slope = negative(logits, with_grad)
    if alpha is not None:
        slope = slope.mul_(1 - alpha) if with_grad else None
        value = value.mul_(1 - alpha) if isinstance(alpha, Tensor) else value
    negative_weight = 1 - alpha if isinstance(alpha, float) else 1
    is_positive = (labels < num_classes)[:, None]
    if can_branch_on_values(labels) and not is_positive.any():
        return value.sum(1).mul_(negative_weight), slope
    index = labels.clamp(max=num_classes - 1).long()[:, None]
    positive_value, positive_slope = positive(-logits.gather(1, index), with_grad)
    weight = alpha[index] if isinstance(alpha, Tensor) else 1 if alpha is None else alpha
    _replace(value, index, is_positive, torch.zeros_like(positive_value))
    if with_grad:
        _replace(slope, index, is_positive, positive_slope * -weight)
    positive_value = torch.where(is_positive, positive_value * weight, 0)
    return value.sum(1).mul_(negative_weight).add_(positive_value[:, 0]), slope


def _replace(x: Tensor, index: Tensor, mask: Tensor, new: Tensor) -> None:
    """Write `new` (M, 1) into the column `index` (M, 1) of `x` (M, K), in the rows where `mask` (M, 1) is true."""
    x.scatter_(1, index, torch.where(mask, new, x.gather(1, index)))
