"""Summed losses whose gradient is formed in forward, in the same pass over the logits.

M anchors, K classes, C logits per anchor. Labels are integers: -1 is ignored, 0..K-1 a class, K background.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from .chunks import for_each_chunk, looking_is_free
from .curves import Curve, power

__all__ = ["RowLoss", "closed_form", "one_vs_all", "row_losses", "softmax_focal", "summed_loss"]

RowLoss = Callable[[Tensor, Tensor, bool], tuple[Tensor, "Tensor | None"]]
"""(logits (M, C), labels (M,) from 0 to K, with_grad) -> loss of every row (M,), gradient (M, C) or None."""

Compute = Callable[[Tensor, Tensor, bool], tuple[Tensor, "Tensor | None"]]
"""The same, but all labels in, and the scalar loss out."""


def summed_loss(logits: Tensor, labels: Tensor, row_loss: RowLoss) -> Tensor:
    """Sum of `row_loss` over the rows that are not ignored: a scalar in float32, or float64 for such logits.

    Args:
        logits: (M, C) of any floating type and strides.
        labels: (M,).
        row_loss: the formula.
    """

    def compute(logits: Tensor, labels: Tensor, with_grad: bool) -> tuple[Tensor, Tensor | None]:
        rows, grad = row_losses(logits, labels, row_loss, with_grad)
        return rows.sum(dtype=torch.float64).to(rows.dtype), grad

    return closed_form(logits, labels, compute)


def closed_form(logits: Tensor, labels: Tensor, compute: Compute) -> Tensor:
    """The scalar that `compute` returns, with the gradient that it returns.

    Forward keeps the gradient and nothing else. Without need for a gradient none is formed.
    """
    if torch.is_grad_enabled() and logits.requires_grad:
        return _ClosedForm.apply(logits, labels, compute)
    return compute(logits, labels, False)[0]


class _ClosedForm(torch.autograd.Function):
    @staticmethod
    def forward(ctx, logits: Tensor, labels: Tensor, compute: Compute) -> Tensor:  # noqa: ANN001
        loss, grad = compute(logits.detach(), labels, True)
        ctx.save_for_backward(grad)
        ctx.logits_dtype = logits.dtype
        return loss

    @staticmethod
    @once_differentiable
    def backward(ctx, grad_output: Tensor) -> tuple[Tensor, None, None]:  # noqa: ANN001
        (grad,) = ctx.saved_tensors
        # A second tensor of this size would double the memory; it is needed only if backward may come again.
        grad = grad * grad_output if _graph_is_kept() else grad.detach().mul_(grad_output)
        return grad.to(ctx.logits_dtype), None, None


def _graph_is_kept() -> bool:
    # Private, and absent from PyTorch before 2.4: without it, assume the worst.
    ask = getattr(torch._C._autograd, "_get_current_graph_task_keep_graph", None)
    return torch.compiler.is_compiling() or ask is None or ask()


def row_losses(
    logits: Tensor, labels: Tensor, row_loss: RowLoss, with_grad: bool
) -> tuple[Tensor, Tensor | None]:
    """Loss of every row (M,), zero where ignored, and the gradient of their sum (M, C) in the strides of `logits`.

    Half precision is computed, and its gradient kept, in float32: before the loss scale it would underflow.
    """
    dtype = torch.promote_types(logits.dtype, torch.float32)
    if torch.compiler.is_compiling():
        return _masked(logits.to(dtype), labels, row_loss, with_grad)
    rows = torch.empty(len(logits), dtype=dtype, device=logits.device)
    grad = torch.empty_like(logits, dtype=dtype) if with_grad else None

    def work(chunk: slice) -> None:
        value, slope = _masked(logits[chunk].to(dtype), labels[chunk], row_loss, with_grad)
        rows[chunk] = value
        if grad is not None:
            grad[chunk] = slope

    for_each_chunk(work, logits)
    return rows, grad


def _masked(
    logits: Tensor, labels: Tensor, row_loss: RowLoss, with_grad: bool
) -> tuple[Tensor, Tensor | None]:
    """`row_loss` with zeros for the ignored rows, whatever their logits are."""
    ignored = labels < 0
    some = not looking_is_free(labels) or bool(ignored.any())
    value, slope = row_loss(logits, labels.clamp(min=0) if some else labels, with_grad)
    if some:
        value = value.masked_fill(ignored, 0)
        slope = _clear_rows(slope, ignored) if with_grad else None
    return value, slope


def _clear_rows(x: Tensor, mask: Tensor) -> Tensor:
    if looking_is_free(mask):  # touches these rows only
        return x.index_fill_(0, mask.nonzero()[:, 0], 0)
    return x.masked_fill(mask[:, None], 0)


def one_vs_all(
    logits: Tensor,
    labels: Tensor,
    with_grad: bool,
    *,
    negative: Curve,
    positive: Curve,
    alpha: float | Tensor | None,
) -> tuple[Tensor, Tensor | None]:
    """K independent logits. Every element counts as background first; then the few positives are put right.

    Args:
        logits: (M, K).
        labels: (M,) from 0 to K.
        with_grad: whether to form the gradient.
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
    if looking_is_free(labels) and not is_positive.any():
        return value.sum(1).mul_(negative_weight), slope
    index = labels.clamp(max=num_classes - 1).long()[:, None]
    positive_value, positive_slope = positive(-logits.gather(1, index), with_grad)
    weight = alpha[index] if isinstance(alpha, Tensor) else 1 if alpha is None else alpha
    _put(value, index, is_positive, torch.zeros_like(positive_value))
    if with_grad:
        _put(slope, index, is_positive, positive_slope * -weight)
    positive_value = torch.where(is_positive, positive_value * weight, 0)
    return value.sum(1).mul_(negative_weight).add_(positive_value[:, 0]), slope


def _put(x: Tensor, index: Tensor, mask: Tensor, new: Tensor) -> None:
    x.scatter_(1, index, torch.where(mask, new, x.gather(1, index)))


def softmax_focal(
    logits: Tensor, labels: Tensor, with_grad: bool, *, gamma: float, alpha: float | None
) -> tuple[Tensor, Tensor | None]:
    """-alpha_t (1 - p_t)^gamma log(p_t) with p_t the softmax probability of the label, background being the last.

    Args:
        logits: (M, K + 1).
        labels: (M,) from 0 to K.
        with_grad: whether to form the gradient.
        gamma: the exponent.
        alpha: weight of the foreground; background has 1 - alpha. None for no weights.
    """
    index = labels.long()[:, None]
    exp = (logits - logits.amax(1, keepdim=True)).exp_()
    own = exp.gather(1, index)
    others = exp.scatter_(1, index, 0).sum(1, keepdim=True)
    total = own + others
    p_t, error = own / total, others / total  # neither loses its digits next to 1
    shifted = logits.gather(1, index) - logits.amax(1, keepdim=True)
    ce = torch.where(p_t > 0.5, torch.log1p(others / own), total.log() - shifted)
    factor = power(error, gamma) if gamma else torch.ones_like(error)
    if alpha is not None:
        is_background = index == logits.shape[1] - 1
        factor = torch.where(is_background, factor * (1 - alpha), factor * alpha)
    value = (factor * ce)[:, 0]
    if not with_grad:
        return value, None
    # d loss / d log p_t = -factor (1 + gamma p_t ce / error), where ce / error is 1 for no error
    ratio = torch.where(error > 0, ce / error, 1.0)
    pull = factor * (1 + gamma * p_t * ratio)
    slope = exp.mul_(pull / total).scatter_(1, index, -pull * error)
    return value, slope
