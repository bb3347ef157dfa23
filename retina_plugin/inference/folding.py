"""Normalization layers with fixed statistics, folded into the convolutions before them."""

from collections import Counter
from collections.abc import Iterator

import torch
from detectron2.layers import Conv2d, FrozenBatchNorm2d
from torch import fx, nn


@torch.no_grad()
def fold_norms(module: nn.Module) -> int:
    """Fold the norms of a module in evaluation mode, in place; the number of norms that are gone.

    A norm is found as `norm` of Detectron2's Conv2d, behind a convolution in a Sequential, or in the graph of a
    torchvision feature extractor. It must be a BatchNorm2d with running statistics or a FrozenBatchNorm2d. Others stay,
    and so do those that are used more than once, or whose convolution is, or that have hooks.
    """
    uses = Counter(child for parent in module.modules() for child in parent._modules.values())
    number = 0
    for parent in list(module.modules()):
        if type(parent) is Conv2d and _can_fold(parent, parent.norm, uses):
            _fold(parent, parent.norm)
            parent.norm = None
            number += 1
        for name, conv, norm in list(_pairs(parent)):
            if getattr(conv, "norm", None) is getattr(conv, "activation", None) is None and _can_fold(conv, norm, uses):
                _fold(conv, norm)
                holder, _, child = name.rpartition(".")
                setattr(parent.get_submodule(holder), child, nn.Identity())
                number += 1
    return number


def _pairs(parent: nn.Module) -> Iterator[tuple[str, nn.Module, nn.Module]]:
    """Name of a module in `parent`, the one that alone feeds it, and the module."""
    if type(parent).forward is nn.Sequential.forward:
        children = list(parent._modules.items())
        for (_, before), (name, child) in zip(children, children[1:], strict=False):
            yield name, before, child
    elif isinstance(parent, fx.GraphModule):
        calls = Counter(node.target for node in parent.graph.nodes if node.op == "call_module")
        for node in parent.graph.nodes:
            before = node.args[0] if node.op == "call_module" and node.args else None
            is_alone = isinstance(before, fx.Node) and before.op == "call_module" and len(before.users) == 1
            if is_alone and calls[node.target] == calls[before.target] == 1:
                yield node.target, parent.get_submodule(before.target), parent.get_submodule(node.target)


def _can_fold(conv: nn.Module | None, norm: nn.Module | None, uses: Counter[nn.Module]) -> bool:
    if type(conv) not in (nn.Conv2d, Conv2d) or not _is_fixed(norm) or has_hooks(conv) or has_hooks(norm):
        return False
    return uses[conv] <= 1 and uses[norm] == 1  # a convolution may be the module itself


def has_hooks(module: nn.Module) -> bool:
    """Whether something is called before or after the forward pass of a module."""
    return bool(module._forward_hooks or module._forward_pre_hooks)


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
