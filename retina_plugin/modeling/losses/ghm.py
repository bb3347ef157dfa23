"""Gradient harmonizing: elements whose gradients are common weigh less. Shapes as in `base.py`."""

from __future__ import annotations

from functools import partial

import torch
from detectron2.config import configurable
from torch import Tensor

from ...registry import CLS_LOSS_REGISTRY
from .base import ClassificationLoss
from .kernels.chunks import for_each_chunk
from .kernels.curves import cross_entropy_parts
from .kernels.functional import one_vs_all, summed_loss

__all__ = ["GHMCLoss"]


@CLS_LOSS_REGISTRY.register()
class GHMCLoss(ClassificationLoss):
    """Sum of CE(p_t) / GD(1 - p_t), with GD the density of gradient norms 1 - p_t in this batch and those before.

    The density is a histogram of `bins` regions that `momentum` carries from step to step, without the bias of its
    start. The paper's loss is a mean over elements, so it is multiplied by the number of foreground anchors, at
    least 1: the detector divides by this.
    Source: "Gradient Harmonized Single-stage Detector", equations 8 to 10.
    """

    @configurable
    def __init__(self, bins: int = 30, momentum: float = 0.75) -> None:
        """Take the number of regions and how much of the past counts, in [0, 1).

        Raises:
            ValueError: if either is out of range.
        """
        super().__init__()
        if bins < 1:
            raise ValueError(f"model.cls_loss.bins must be 1 or more, got {bins}")
        if not 0 <= momentum < 1:
            raise ValueError(f"model.cls_loss.momentum must be in [0, 1), got {momentum}")
        self.bins, self.momentum = bins, momentum
        self.register_buffer("counts", torch.zeros(bins, dtype=torch.float64))
        self.register_buffer("mass", torch.zeros((), dtype=torch.float64))

    def extra_repr(self) -> str:
        """The settings, for `print(model)`."""
        return f"bins={self.bins}, momentum={self.momentum}"

    def forward(self, logits: Tensor, labels: Tensor) -> Tensor:
        counts = self._update(histogram(logits.detach(), labels, self.bins))
        num_pos = ((labels >= 0) & (labels < logits.shape[1])).sum().clamp(min=1)
        weights = torch.where(counts > 0, num_pos / (counts * self.bins), 0.0)
        weights = weights.to(torch.promote_types(logits.dtype, torch.float32))
        curve = partial(harmonized_curve, weights=weights)
        return summed_loss(
            logits, labels, partial(one_vs_all, negative=curve, positive=curve, alpha=None)
        )

    @torch.no_grad()
    def _update(self, new_counts: Tensor) -> Tensor:
        counts = torch.lerp(new_counts.double(), self.counts, self.momentum)
        mass = torch.lerp(torch.ones_like(self.mass), self.mass, self.momentum)
        if self.training:
            self.counts.copy_(counts)
            self.mass.copy_(mass)
        return counts / mass


def harmonized_curve(u: Tensor, with_slope: bool, weights: Tensor) -> tuple[Tensor, Tensor | None]:
    """softplus(u) times the weight of the region that its slope sigmoid(u) falls in. A curve, see `curves.py`."""
    s, _, ce = cross_entropy_parts(u)
    weight = weights.index_select(0, _region(s, len(weights)).flatten()).view(s.shape)
    return ce.mul_(weight), s.mul_(weight) if with_slope else None


@torch.no_grad()
def histogram(logits: Tensor, labels: Tensor, bins: int) -> Tensor:
    """How many elements of the rows that are not ignored have 1 - p_t in each of `bins` equal regions: (bins,)."""
    parts = []

    def work(chunk: slice) -> None:
        rows = labels[chunk, None]
        error = logits[chunk].to(torch.promote_types(logits.dtype, torch.float32)).sigmoid()
        index = rows.clamp(0, logits.shape[1] - 1).long()
        own = error.gather(1, index)
        error.scatter_(1, index, torch.where((rows >= 0) & (rows < logits.shape[1]), 1 - own, own))
        region = _region(error, bins).masked_fill_(
            rows < 0, bins
        )  # one more region for the ignored
        count = torch.zeros(bins + 1, dtype=torch.int32, device=logits.device)
        parts.append(count.index_add_(0, region.flatten(), torch.ones_like(region).flatten()))

    for_each_chunk(work, logits)
    empty = torch.zeros(bins + 1, dtype=torch.int32, device=logits.device)
    return torch.stack([empty, *parts]).sum(0)[:bins]


def _region(error: Tensor, bins: int) -> Tensor:
    return error.mul(bins).int().clamp_(0, bins - 1)  # what int() makes of nan is below 0
