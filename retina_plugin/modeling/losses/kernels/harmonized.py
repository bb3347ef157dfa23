"""Parts of the gradient harmonizing mechanism: a histogram of errors and a binary loss weighted by it."""

from __future__ import annotations

import torch
from torch import Tensor

from .binary_losses import cross_entropy_parts
from .chunks import for_each_chunk

__all__ = ["error_histogram", "harmonized", "region_of"]


def region_of(error: Tensor, bins: int) -> Tensor:
    """Index of the region of each error in [0, 1], out of `bins` regions of equal width: integers like `error`."""
    return error.mul(bins).int().clamp_(0, bins - 1)  # int() of NaN is negative


def harmonized(u: Tensor, with_slope: bool, weights: Tensor) -> tuple[Tensor, Tensor | None]:
    """softplus(u) times the weight of the region of the error sigmoid(u): a binary loss, see `binary_losses.py`.

    Args:
        u: of any shape.
        with_slope: whether to compute the derivative.
        weights: of every region, (bins,), constant.
    """
    s, _, ce = cross_entropy_parts(u)
    weight = weights.index_select(0, region_of(s, len(weights)).flatten()).view(s.shape)
    return ce.mul_(weight), s.mul_(weight) if with_slope else None


@torch.no_grad()
def error_histogram(logits: Tensor, labels: Tensor, bins: int) -> Tensor:
    """The number of logits per region of their errors 1 - p_t, over the rows that are not ignored: integers (bins,).

    Args:
        logits: (M, K) of independent sigmoids.
        labels: (M,) integers: -1 is ignored, 0..K-1 a class, K background.
        bins: the number of regions.
    """
    parts = []

    def work(chunk: slice) -> None:
        rows = labels[chunk, None]
        error = logits[chunk].to(torch.promote_types(logits.dtype, torch.float32)).sigmoid()
        index = rows.clamp(0, logits.shape[1] - 1).long()
        own = error.gather(1, index)
        error.scatter_(1, index, torch.where((rows >= 0) & (rows < logits.shape[1]), 1 - own, own))
        region = region_of(error, bins).masked_fill_(rows < 0, bins)  # one more region for ignored
        count = torch.zeros(bins + 1, dtype=torch.int32, device=logits.device)
        parts.append(count.index_add_(0, region.flatten(), torch.ones_like(region).flatten()))

    for_each_chunk(work, logits)
    empty = torch.zeros(bins + 1, dtype=torch.int32, device=logits.device)
    return torch.stack([empty, *parts]).sum(0)[:bins]
