"""Formulas of the loss and gradient of every row, for independent logits and for a softmax.

Shapes as in `closed_form.py`.
"""

import torch
from torch import Tensor

from .binary_losses import BinaryLoss, power
from .chunks import can_branch_on_values


def one_vs_all(
    logits: Tensor,
    labels: Tensor,
    with_grad: bool,
    *,
    negative: BinaryLoss,
    positive: BinaryLoss,
    alpha: float | Tensor | None,
) -> tuple[Tensor, Tensor | None]:
    """Loss of every row (M,) and its gradient (M, K): `positive` times alpha, and `negative` times 1 - alpha.

    All logits are first computed as negatives. The one positive of each foreground row is then replaced, because
    foreground rows are few. `alpha` is a scalar, one for every class (K,), or None for no weights.
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


def softmax_focal(
    logits: Tensor, labels: Tensor, with_grad: bool, *, gamma: float, alpha: float | None
) -> tuple[Tensor, Tensor | None]:
    """Loss -alpha_t (1 - p_t)^gamma log(p_t) of every row (M,) and its gradient (M, K + 1).

    p_t is the softmax probability of the label. alpha_t is 1 - alpha for background, the last logit, and alpha for a
    class; `alpha` None means no weights.
    """
    index = labels.long()[:, None]
    exp = (logits - logits.amax(1, keepdim=True)).exp_()
    own = exp.gather(1, index)
    others = exp.scatter_(1, index, 0).sum(1, keepdim=True)
    total = own + others
    p_t, error = own / total, others / total  # computed apart: 1 - p_t would cancel where p_t is near 1
    shifted = logits.gather(1, index) - logits.amax(1, keepdim=True)
    ce = torch.where(p_t > 0.5, torch.log1p(others / own), total.log() - shifted)
    factor = power(error, gamma) if gamma else torch.ones_like(error)
    if alpha is not None:
        is_background = index == logits.shape[1] - 1
        factor = torch.where(is_background, factor * (1 - alpha), factor * alpha)
    value = (factor * ce)[:, 0]
    if not with_grad:
        return value, None
    # d loss / d log p_t = -factor (1 + gamma p_t ce / error), where ce / error tends to 1 as the error goes to 0
    ratio = torch.where(error > 0, ce / error, 1.0)
    pull = factor * (1 + gamma * p_t * ratio)
    slope = exp.mul_(pull / total).scatter_(1, index, -pull * error)
    return value, slope
