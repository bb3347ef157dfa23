"""Losses of one logit, for a class that is present or absent, and their derivatives.

x_t is the logit x where the class is present and -x where it is absent. A binary loss takes u = -x_t and returns the
loss and its slope d loss / d u, or None for the slope if it is not wanted. It does not modify u in place. With the
error s = 1 - p_t = sigmoid(u), cross entropy is -log(p_t) = softplus(u), and its slope is s.

All results are finite for every finite u, and keep relative precision on both sides of zero.
"""

import math
from collections.abc import Callable

import torch
from torch import Tensor

BinaryLoss = Callable[[Tensor, bool], tuple[Tensor, Tensor | None]]
"""(u of any shape, with_slope) -> new tensors like u: loss, slope or None."""


def cross_entropy_parts(u: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The error s = sigmoid(u), p_t = 1 - s and cross entropy softplus(u), with one exponential and one logarithm."""
    exp_u = u.clamp(max=math.log(torch.finfo(u.dtype).max) - 8).exp_()
    ce, p_t = _log1p(exp_u)
    torch.maximum(ce, u, out=ce)  # beyond the clamp softplus(u) is u
    return exp_u.mul_(p_t), p_t, ce


def _log1p(x: Tensor) -> tuple[Tensor, Tensor]:
    """log(1 + x) and 1 / (1 + x). On CPU torch.log1p takes seven times as long as log.

    Adding 1 to x rounds it. The rounding error x - ((1 + x) - 1) is exact and corrects the logarithm.
    """
    total = x + 1
    inverse, log = total.reciprocal(), total.log()
    lost = torch.sub(x, total.sub_(1), out=total)
    return log.addcmul_(lost, inverse), inverse


def focal(u: Tensor, with_slope: bool, gamma: float, label_smoothing: float = 0.0) -> tuple[Tensor, Tensor | None]:
    """s^gamma (softplus(u) - label_smoothing / 2 u).

    Source: "Focal Loss for Dense Object Detection", equation 4; slope: appendix B.
    """
    s, p_t, ce = cross_entropy_parts(u)
    ce_slope = s
    if label_smoothing:
        ce.sub_(u, alpha=label_smoothing / 2)
        ce_slope = s - label_smoothing / 2
    if gamma == 0:
        return ce, ce_slope
    factor = power(s, gamma)
    slope = torch.addcmul(ce_slope, p_t, ce, value=gamma, out=p_t).mul_(factor) if with_slope else None
    return ce.mul_(factor), slope


def focal_star(u: Tensor, with_slope: bool, gamma: float, beta: float) -> tuple[Tensor, Tensor | None]:
    """-log(p*_t) / gamma with p*_t = sigmoid(gamma x_t + beta).

    Source: "Focal Loss for Dense Object Detection", appendices A and B.
    """
    s, _, ce = cross_entropy_parts(u * gamma - beta)
    return ce.div_(gamma), s


def poly_focal(u: Tensor, with_slope: bool, gamma: float, epsilon: float) -> tuple[Tensor, Tensor | None]:
    """s^gamma (softplus(u) + epsilon s). Source: "PolyLoss", the Poly-1 form of focal loss."""
    s, p_t, ce = cross_entropy_parts(u)
    factor = power(s, gamma)
    value = torch.add(ce, s, alpha=epsilon)
    if not with_slope:
        return value.mul_(factor), None
    # s^gamma (gamma p_t value + s + epsilon s p_t)
    slope = value.mul(gamma).add_(s, alpha=epsilon).mul_(p_t).add_(s).mul_(factor)
    return value.mul_(factor), slope


def asymmetric(u: Tensor, with_slope: bool, gamma: float, margin: float) -> tuple[Tensor, Tensor | None]:
    """-s_m^gamma log(1 - s_m) with s_m = max(s - margin, 0).

    Source: "Asymmetric Loss For Multi-Label Classification", equations 5 to 7.
    """
    if margin == 0:
        return focal(u, with_slope, gamma)
    s = torch.sigmoid(u)
    s_m = (s - margin).clamp_(min=0)
    log_p_t, inverse = _log1p(-s_m)  # 1 - s_m is never below the margin
    factor, ce = power(s_m, gamma), log_p_t.neg_()
    value = factor * ce
    if not with_slope:
        return value, None
    # ds/du = s (1 - s); ce / s_m avoids s_m^(gamma - 1), which is infinite at 0 for gamma < 1
    ratio = ce.div_(s_m.clamp_(min=torch.finfo(u.dtype).tiny))
    slope = inverse.add_(ratio, alpha=gamma).mul_(factor)
    return value, slope.mul_(s > margin).mul_(s).mul_(torch.sigmoid(-u))


def hinge(u: Tensor, with_slope: bool, margin: float) -> tuple[Tensor, Tensor | None]:
    """max(0, margin - p_t). Source: "Focal Loss for Dense Object Detection", section 5.1."""
    p_t = torch.sigmoid(-u)
    value = (margin - p_t).clamp_(min=0)
    return value, p_t.mul(torch.sigmoid(u)).mul_(value > 0) if with_slope else None


def power(s: Tensor, gamma: float) -> Tensor:
    """s^gamma. For integers above 3, repeated multiplication is ten times as fast as torch.pow."""
    if gamma <= 3 or gamma != int(gamma):
        return s.pow(gamma)
    root = power(s, gamma // 2)
    return root * root * s if gamma % 2 else root * root
