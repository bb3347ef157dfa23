"""Normalization layers with fixed statistics, folded into the convolutions before them."""

from collections.abc import Iterator

import torch
from detectron2.layers import Conv2d, FrozenBatchNorm2d
from torch import fx, nn


@torch.no_grad()
def fold_norms(module: nn.Module) -> int:
    """Fold the norms of a module in evaluation mode, in place; the number of norms that are gone.

    A norm is found as `norm` of Detectron2's Conv2d, behind a convolution in a Sequential, or in the graph of a
    torchvision feature extractor. It must be a BatchNorm2d with running statistics or a FrozenBatchNorm2d; others, and
    norms whose convolution feeds something else too, stay.
    """
    number = 0
    for parent in list(module.modules()):
        if isinstance(parent, Conv2d) and _is_fixed(parent.norm):
            _fold(parent, parent.norm)
            parent.norm = None
            number += 1
        for name, conv, norm in _pairs(parent):
            _fold(conv, norm)
            holder, _, child = name.rpartition(".")
            setattr(parent.get_submodule(holder), child, nn.Identity())
            number += 1
    return number


def _pairs(parent: nn.Module) -> Iterator[tuple[str, nn.Module, nn.Module]]:
    """Name of a norm in `parent`, the convolution before it, and the norm."""
    if isinstance(parent, nn.Sequential):
        children = list(parent.named_children())
        for (_, conv), (name, norm) in zip(children, children[1:], strict=False):
            if _is_plain(conv) and _is_fixed(norm):
                yield name, conv, norm
    elif isinstance(parent, fx.GraphModule):
        for node in parent.graph.nodes:
            before = node.args[0] if node.op == "call_module" and node.args else None
            if isinstance(before, fx.Node) and before.op == "call_module" and len(before.users) == 1:
                conv, norm = parent.get_submodule(before.target), parent.get_submodule(node.target)
                if _is_plain(conv) and _is_fixed(norm):
                    yield node.target, conv, norm


def _is_plain(conv: nn.Module) -> bool:
    """Whether a module is a convolution and nothing behind it."""
    return isinstance(conv, nn.Conv2d) and getattr(conv, "norm", None) is getattr(conv, "activation", None) is None


def _is_fixed(norm: nn.Module | None) -> bool:
    if type(norm) in (nn.BatchNorm2d, nn.SyncBatchNorm):
        return not norm.training and norm.running_mean is not None
    return type(norm) is FrozenBatchNorm2d


def _fold(conv: nn.Conv2d, norm: nn.Module) -> None:
    """norm(conv(x)) = (w x + b - mean) scale + shift, where scale = weight / sqrt(variance + eps)."""
    scale = (norm.running_var + norm.eps).rsqrt()
    scale = scale if norm.weight is None else scale * norm.weight
    bias = -norm.running_mean if conv.bias is None else conv.bias - norm.running_mean
    shift = 0.0 if norm.bias is None else norm.bias
    conv.weight = nn.Parameter(conv.weight * scale[:, None, None, None], requires_grad=False)
    conv.bias = nn.Parameter(bias * scale + shift, requires_grad=False)
