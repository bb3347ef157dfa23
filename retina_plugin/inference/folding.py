"""Permanently fold normalization layers with fixed statistics into the convolutions before them."""

import torch
from detectron2.layers import FrozenBatchNorm2d
from torch import nn

from ..modeling.optimization.norms import foldable_pairs, folded_weights


@torch.no_grad()
def fold_norms(module: nn.Module) -> int:
    """Fold the norms of a module in evaluation mode, in place; return the number of folded norms.

    A norm must be a BatchNorm2d or SyncBatchNorm with running statistics, or a FrozenBatchNorm2d, in one of the places
    that `foldable_pairs` knows.
    """
    pairs = list(foldable_pairs(module, _is_fixed))
    for conv, norm, holder, name in pairs:
        weight, bias = folded_weights(conv, norm)
        conv.weight = nn.Parameter(weight, requires_grad=False)
        conv.bias = nn.Parameter(bias, requires_grad=False)
        setattr(holder, name, None if holder is conv else nn.Identity())
    return len(pairs)


def _is_fixed(norm: nn.Module | None) -> bool:
    if type(norm) in (nn.BatchNorm2d, nn.SyncBatchNorm):
        return not norm.training and norm.running_mean is not None
    return type(norm) is FrozenBatchNorm2d
