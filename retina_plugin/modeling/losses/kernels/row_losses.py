"""Loss and gradient of each row of logits: chunks, ignored rows, weights and half precision around a formula.

Shapes: M rows (anchors), K classes, C logits per row. Labels are -1 (ignored), 0..K-1 (a class) or K (background).
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from .chunks import can_branch_on_values, for_each_chunk

__all__ = ["RowLoss", "row_losses"]

RowLoss = Callable[[Tensor, Tensor, bool], tuple[Tensor, "Tensor | None"]]
"""(logits (M, C), labels (M,) from 0 to K, with_grad) -> new tensors: loss (M,), gradient (M, C) or None."""


def row_losses(
    logits: Tensor,
    labels: Tensor,
    row_loss: RowLoss,
    with_grad: bool,
    weights: Tensor | None = None,
) -> tuple[Tensor, Tensor | None]:
    """Weighted loss of every row (M,), zero where ignored, and the gradient of their sum (M, C).

    The gradient has the strides of `logits`. For half precision both are in float32, because the gradient would
    underflow before it is multiplied by the loss scale.

    Args:
        logits: (M, C) of any floating type and strides.
        labels: (M,).
        row_loss: the formula.
        with_grad: whether to compute the gradient.
        weights: (M,) factors; None for 1.
    """
    dtype = torch.promote_types(logits.dtype, torch.float32)
    weights = None if weights is None else weights.detach().to(dtype)

    def compute(chunk: slice) -> tuple[Tensor, Tensor | None]:
        weight = None if weights is None else weights[chunk]
        return _weighted(logits[chunk].to(dtype), labels[chunk], weight, row_loss, with_grad)

    if torch.compiler.is_compiling():
        return compute(slice(None))
    rows = torch.empty(len(logits), dtype=dtype, device=logits.device)
    grad = torch.empty_like(logits, dtype=dtype) if with_grad else None

    def work(chunk: slice) -> None:
        rows[chunk], slope = compute(chunk)
        if grad is not None:
            grad[chunk] = slope

    for_each_chunk(work, logits)
    return rows, grad


def _weighted(
    logits: Tensor, labels: Tensor, weights: Tensor | None, row_loss: RowLoss, with_grad: bool
) -> tuple[Tensor, Tensor | None]:
    """`row_loss` times `weights`, with zeros for the ignored rows whatever their logits and weights are."""
    ignored = labels < 0
    any_ignored = not can_branch_on_values(labels) or bool(ignored.any())
    value, slope = row_loss(logits, labels.clamp(min=0) if any_ignored else labels, with_grad)
    if weights is not None:
        value = value.mul_(weights)
        slope = slope.mul_(weights[:, None]) if with_grad else None
    if any_ignored:
        value = value.masked_fill(ignored, 0)
        slope = _clear_rows(slope, ignored) if with_grad else None
    return value, slope


def _clear_rows(x: Tensor, mask: Tensor) -> Tensor:
    if can_branch_on_values(mask):  # writes to these rows only
        return x.index_fill_(0, mask.nonzero()[:, 0], 0)
    return x.masked_fill(mask[:, None], 0)
