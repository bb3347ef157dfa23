"""Activation checkpointing: keep fewer activations for the backward pass and compute them again there.

Source: "Training Deep Nets with Sublinear Memory Cost", Chen et al. 2016.
"""

import functools
from collections.abc import Iterator
from typing import Any

import torch
from detectron2.layers import CycleBatchNormList
from detectron2.modeling import ResNet
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.utils.checkpoint import checkpoint

from ..backbone import TorchvisionBackbone
from ..meta_arch import PluggableRetinaNet
from .box_tower import box_layers


def recompute_activations(model: nn.Module) -> int:
    """Let parts of a detector keep only their input for the backward pass, in place; return the number of parts.

    Parts are the stages of Detectron2's ResNet, a TorchvisionBackbone, and the towers of the head, level by level.
    Single residual blocks would save little: with FrozenBN, the input is the largest of the three tensors that a block
    keeps. Losses and gradients are the same bit for bit, each part is computed once more, and the state dict keeps its
    names. Three kinds of parts are left out: parts with a batch norm that updates its statistics, because a second
    pass would update them again; towers with statistics per level, because a second pass would visit the levels in
    another order; and a box tower that runs only around foreground anchors, see `optimize_for_training`.
    """
    parts = [part for part in dict.fromkeys(_parts(model)) if not isinstance(part, _Recomputed)]  # towers may be one
    parts = [part for part in parts if not any(map(_changes_with_every_pass, part.modules()))]
    for part in parts:
        part.__class__ = _recomputed(type(part))
    return len(parts)


def undo_recomputing(module: nn.Module) -> nn.Module:
    """Let the parts of a module keep their activations again, in place, and return the module."""
    for part in module.modules():
        if isinstance(part, _Recomputed):
            part.__class__ = type(part).__bases__[1]
    return module


class _Recomputed:
    """Mixin in front of the class of a part; it recomputes only if gradients are enabled."""

    def forward(self, *inputs: Any) -> Any:
        own = super().forward  # type: ignore[misc]
        return checkpoint(own, *inputs, use_reentrant=False) if torch.is_grad_enabled() else own(*inputs)

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle the class of the part, since `_recomputed` makes the current class at run time."""
        return _new, (type(self).__bases__[1],), self.__dict__


@functools.cache
def _recomputed(kind: type[nn.Module]) -> type[nn.Module]:
    return type(f"Recomputed{kind.__name__}", (_Recomputed, kind), {})


def _new(kind: type[nn.Module]) -> nn.Module:
    return kind.__new__(_recomputed(kind))


def _parts(model: nn.Module) -> Iterator[nn.Module]:
    for module in model.modules():
        if isinstance(module, ResNet):
            yield from module.stages
        elif isinstance(module, TorchvisionBackbone):
            yield module
    head = getattr(model, "head", None)
    selective = isinstance(model, PluggableRetinaNet) and model.selective_boxes and box_layers(head) is not None
    for name in ("cls_subnet",) if selective else ("cls_subnet", "bbox_subnet"):
        if isinstance(tower := getattr(head, name, None), nn.Sequential) and len(tower):
            yield tower


def _changes_with_every_pass(module: nn.Module) -> bool:
    updates_statistics = isinstance(module, _BatchNorm) and module.track_running_stats and module.training
    return updates_statistics or isinstance(module, CycleBatchNormList)
