"""A summed loss whose forward computes the gradient together with the value."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from .row_losses import RowLoss, row_losses

__all__ = ["summed_loss"]


def summed_loss(logits: Tensor, labels: Tensor, row_loss: RowLoss, weights: Tensor | None = None) -> Tensor:
    """Weighted sum of `row_loss` over the rows that are not ignored: a scalar in float32, or float64 for such logits.

    Forward saves only the gradient for backward, and computes none if the logits need none.

    Args:
        logits: (M, C) of any floating type and strides.
        labels: (M,) integers: -1 is ignored, 0..K-1 a class, K background.
        row_loss: the formula.
        weights: (M,) factors, constant; None for 1.
    """
    if torch.is_grad_enabled() and logits.requires_grad:
        return _SummedLoss.apply(logits, labels, row_loss, weights)
    return _sum(row_losses(logits, labels, row_loss, False, weights)[0])


def _sum(rows: Tensor) -> Tensor:
    return rows.sum(dtype=torch.float64).to(rows.dtype)


class _SummedLoss(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx,  # noqa: ANN001
        logits: Tensor,
        labels: Tensor,
        row_loss: RowLoss,
        weights: Tensor | None,
    ) -> Tensor:
        rows, grad = row_losses(logits.detach(), labels, row_loss, True, weights)
        ctx.save_for_backward(grad)
        ctx.logits_dtype = logits.dtype
        return _sum(rows)

    @staticmethod
    @once_differentiable
    def backward(ctx, grad_output: Tensor) -> tuple[Tensor, None, None, None]:  # noqa: ANN001
        (grad,) = ctx.saved_tensors
        # Scaling in place saves a second tensor of this size. It is safe unless backward may run again.
        grad = grad * grad_output if _graph_is_kept() else grad.detach().mul_(grad_output)
        return grad.to(ctx.logits_dtype), None, None, None


def _graph_is_kept() -> bool:
    # A private function of PyTorch, which 2.4 does not have: backward then never scales in place.
    ask = getattr(torch._C._autograd, "_get_current_graph_task_keep_graph", None)
    return torch.compiler.is_compiling() or ask is None or ask()
