"""Value and gradient of a loss in one pass: adds chunks, ignored rows, weights and half precision to a formula.

Shapes: M rows (anchors), K classes, C logits per row. Labels are -1 (ignored), 0..K-1 (a class) or K (background).
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from .chunks import can_branch_on_values, for_each_chunk

RowLoss = Callable[[Tensor, Tensor, bool], tuple[Tensor, Tensor | None]]
"""(logits (M, C), labels (M,) from 0 to K, with_grad) -> new tensors: loss (M,), gradient (M, C) or None."""


def summed_loss(logits: Tensor, labels: Tensor, row_loss: RowLoss, weights: Tensor | None = None) -> Tensor:
    """Weighted sum of `row_loss` over the rows that are not ignored: a scalar in float32, or float64 for such logits.

    Logits (M, C) may have any floating type and strides; `weights` (M,) are constants. Forward saves only the gradient
    for backward, and computes none if the logits need none.
    """
    if torch.is_grad_enabled() and logits.requires_grad:
        return _SummedLoss.apply(logits, labels, row_loss, weights)
    return _sum(row_losses(logits, labels, row_loss, False, weights)[0])


def _sum(rows: Tensor) -> Tensor:
    return rows.sum(dtype=torch.float64).to(rows.dtype)


class _SummedLoss(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, logits: Tensor, labels: Tensor, row_loss: RowLoss, weights: Tensor | None) -> Tensor:
        rows, grad = row_losses(logits.detach(), labels, row_loss, True, weights)
        ctx.save_for_backward(grad)
        ctx.logits_dtype = logits.dtype
        return _sum(rows)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad_output: Tensor) -> tuple[Tensor, None, None, None]:
        (grad,) = ctx.saved_tensors
        # Scaling in place saves a second tensor of this size. It is safe unless backward may run again.
        grad = grad * grad_output if _graph_is_kept() else grad.detach().mul_(grad_output)
        return grad.to(ctx.logits_dtype), None, None, None


def _graph_is_kept() -> bool:
    # PyTorch 2.4 lacks this private function; backward then never scales in place.
    ask = getattr(torch._C._autograd, "_get_current_graph_task_keep_graph", None)
    return torch.compiler.is_compiling() or ask is None or ask()


def row_losses(
    logits: Tensor, labels: Tensor, row_loss: RowLoss, with_grad: bool, weights: Tensor | None = None
) -> tuple[Tensor, Tensor | None]:
    """Weighted loss of every row (M,), zero where ignored, and the gradient of their sum (M, C).

    The gradient has the strides of `logits`. For half precision both are in float32, because the gradient would
    underflow before it is multiplied by the loss scale.
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
        slope = fill_rows(slope, ignored, 0) if with_grad else None
    return value, slope


def fill_rows(x: Tensor, mask: Tensor, value: float) -> Tensor:
    """`x` (M, C) with `value` in the rows where `mask` (M,) is true; may modify `x` in place."""
    if can_branch_on_values(mask):  # writes to these rows only
        return x.index_fill_(0, mask.nonzero()[:, 0], value)
    return x.masked_fill(mask[:, None], value)
