"""A scalar loss whose forward computes the gradient together with the value."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from .row_losses import RowLoss, row_losses

__all__ = ["closed_form", "summed_loss"]

Compute = Callable[[Tensor, Tensor, bool], tuple[Tensor, "Tensor | None"]]
"""(logits (M, C), labels (M,), with_grad) -> scalar loss, gradient (M, C) or None."""


def summed_loss(
    logits: Tensor, labels: Tensor, row_loss: RowLoss, weights: Tensor | None = None
) -> Tensor:
    """Weighted sum of `row_loss` over the rows that are not ignored: a scalar in float32, or float64 for such logits.

    Args:
        logits: (M, C) of any floating type and strides.
        labels: (M,) integers: -1 is ignored, 0..K-1 a class, K background.
        row_loss: the formula.
        weights: (M,) factors, constant; None for 1.
    """

    def compute(logits: Tensor, labels: Tensor, with_grad: bool) -> tuple[Tensor, Tensor | None]:
        rows, grad = row_losses(logits, labels, row_loss, with_grad, weights)
        return rows.sum(dtype=torch.float64).to(rows.dtype), grad

    return closed_form(logits, labels, compute)


def closed_form(logits: Tensor, labels: Tensor, compute: Compute) -> Tensor:
    """The scalar that `compute` returns, differentiable with the gradient that it returns.

    Forward saves only the gradient for backward. It asks for none if the logits need none.
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
        # Scaling in place saves a second tensor of this size. It is safe unless backward may run again.
        grad = grad * grad_output if _graph_is_kept() else grad.detach().mul_(grad_output)
        return grad.to(ctx.logits_dtype), None, None


def _graph_is_kept() -> bool:
    # A private function of PyTorch, which 2.4 does not have: backward then never scales in place.
    ask = getattr(torch._C._autograd, "_get_current_graph_task_keep_graph", None)
    return torch.compiler.is_compiling() or ask is None or ask()
