"""Focal loss of a softmax, in closed form. Shapes as in `row_losses.py`."""

from __future__ import annotations

import torch
from torch import Tensor

from .binary_losses import power

__all__ = ["softmax_focal"]


def softmax_focal(
    logits: Tensor, labels: Tensor, with_grad: bool, *, gamma: float, alpha: float | None
) -> tuple[Tensor, Tensor | None]:
    """Loss -alpha_t (1 - p_t)^gamma log(p_t) of every row (M,) and its gradient (M, K + 1).

    p_t is the softmax probability of the label. Background is the last logit.

    Args:
        logits: (M, K + 1).
        labels: (M,) from 0 to K.
        with_grad: whether to compute the gradient.
        gamma: the exponent.
        alpha: weight of the foreground; background has 1 - alpha. None for no weights.
    """
    index = labels.long()[:, None]
    exp = (logits - logits.amax(1, keepdim=True)).exp_()
    own = exp.gather(1, index)
    others = exp.scatter_(1, index, 0).sum(1, keepdim=True)
    total = own + others
    p_t, error = (
        own / total,
        others / total,
    )  # computed apart: 1 - p_t would cancel where p_t is near 1
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
