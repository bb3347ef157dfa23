"""Normalization layers with fixed statistics, and the convolutions before them."""

from collections import Counter
from collections.abc import Callable, Iterator
from typing import NamedTuple

import torch
from detectron2.layers import Conv2d, FrozenBatchNorm2d
from torch import Tensor, fx, nn


class Pair(NamedTuple):
    """A convolution, the norm that only it feeds, and the place of the norm: attribute `name` of `holder`."""

    conv: nn.Conv2d
    norm: nn.Module
    holder: nn.Module
    name: str


def foldable_pairs(module: nn.Module, is_fixed: Callable[[nn.Module | None], bool]) -> Iterator[Pair]:
    """The pairs of convolution and norm in a module for which `is_fixed(norm)` is true.

    A norm is found as `norm` of Detectron2's Conv2d, behind a convolution in a Sequential, or in the graph of a
    torchvision feature extractor. A pair is left out if its convolution or its norm is used more than once or has
    hooks. A Sequential is assumed to be called as a whole, not child by child.
    """
    uses = count_uses(module)
    for parent in list(module.modules()):
        pairs = [Pair(parent, parent.norm, parent, "norm")] if type(parent) is Conv2d else []
        for name, conv, norm in list(neighbours(parent)):
            if getattr(conv, "norm", None) is getattr(conv, "activation", None) is None:
                holder, _, child = name.rpartition(".")
                pairs.append(Pair(conv, norm, parent.get_submodule(holder), child))
        for pair in pairs:
            if is_fixed(pair.norm) and _can_fold(pair.conv, pair.norm, uses):
                yield pair


@torch.no_grad()
def fold_norms(module: nn.Module) -> int:
    """Permanently fold the norms of a module in evaluation mode, in place; return the number of folded norms.

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


def folded_weights(conv: nn.Conv2d, norm: nn.Module) -> tuple[Tensor, Tensor]:
    """Weight and bias of the one convolution that equals `conv` followed by `norm`."""
    scale = (norm.running_var + norm.eps).rsqrt()
    scale = scale if norm.weight is None else scale * norm.weight
    shift = -norm.running_mean * scale
    shift = shift if norm.bias is None else shift + norm.bias
    return conv.weight * scale[:, None, None, None], shift if conv.bias is None else conv.bias * scale + shift


def count_uses(module: nn.Module) -> Counter[nn.Module]:
    """How many modules inside `module` have each module as a child; more than one if it is shared."""
    return Counter(child for parent in module.modules() for child in parent._modules.values())


def has_hooks(module: nn.Module) -> bool:
    """Whether a module has forward or backward hooks."""
    hooks = (module._forward_hooks, module._forward_pre_hooks, module._backward_hooks, module._backward_pre_hooks)
    return any(hooks)


def neighbours(parent: nn.Module) -> Iterator[tuple[str, nn.Module, nn.Module]]:
    """For each module in `parent` with one input, from a module that feeds only it: its name, that source, and it."""
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
    if type(conv) not in (nn.Conv2d, Conv2d) or has_hooks(conv) or has_hooks(norm):
        return False
    return uses[conv] <= 1 and uses[norm] == 1  # a convolution may be the module itself


def _is_fixed(norm: nn.Module | None) -> bool:
    if type(norm) in (nn.BatchNorm2d, nn.SyncBatchNorm):
        return not norm.training and norm.running_mean is not None
    return type(norm) is FrozenBatchNorm2d
