"""Parts of the gradient harmonizing mechanism: a histogram of errors and a binary loss weighted by it."""

import torch
from torch import Tensor

from .binary_losses import cross_entropy_parts
from .chunks import for_each_chunk
from .closed_form import fill_rows


def region_of(error: Tensor, bins: int) -> Tensor:
    """Index of the region of each error in [0, 1], out of `bins` regions of equal width: integers like `error`."""
    return error.mul(bins).int().clamp_(0, bins - 1)  # int() of NaN is negative


def harmonized(u: Tensor, with_slope: bool, weights: Tensor) -> tuple[Tensor, Tensor | None]:
    """The binary loss softplus(u), times the constant weight of the region of its error; `weights` are (bins,)."""
    s, _, ce = cross_entropy_parts(u)
    weight = weights.index_select(0, region_of(s, len(weights)).flatten()).view(s.shape)
    return ce.mul_(weight), s.mul_(weight) if with_slope else None


@torch.no_grad()
def error_histogram(logits: Tensor, labels: Tensor, bins: int) -> Tensor:
    """Number (bins,) of logits (M, K) whose error 1 - p_t lies in each region, without ignored anchors."""
    parts = [torch.zeros(bins + 1, dtype=torch.int32, device=logits.device)]

    def work(chunk: slice) -> None:
        rows = labels[chunk, None]
        error = logits[chunk].to(torch.promote_types(logits.dtype, torch.float32)).sigmoid()
        index = rows.clamp(0, logits.shape[1] - 1).long()
        own = error.gather(1, index)
        error.scatter_(1, index, torch.where((rows >= 0) & (rows < logits.shape[1]), 1 - own, own))
        region = fill_rows(region_of(error, bins), labels[chunk] < 0, bins)  # an additional region for ignored anchors
        parts.append(torch.zeros_like(parts[0]).index_add_(0, region.flatten(), torch.ones_like(region).flatten()))

    for_each_chunk(work, logits)
    return torch.stack(parts).sum(0)[:bins]
