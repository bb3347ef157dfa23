"""Compare a checkpoint with a model before loading: anchors, class names, and buffers that are not loaded."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import torch
from fvcore.common.checkpoint import _strip_prefix_if_present
from torch import nn

from .class_rows import ClassNames, ClassRows, anchors_per_place, take_class_rows


class Stated(NamedTuple):
    """What is known of a checkpoint before it is loaded into a model.

    Attributes:
        anchors: anchors per location of the checkpoint's head and of the model's, None without such a head.
        rows: classes whose rows of the classification layer are taken over by name.
        differing: buffers that are not loaded, such as pixel_mean, and have other values in the checkpoint.
    """

    anchors: tuple[int | None, int | None] = (None, None)
    rows: ClassRows = ClassRows()
    differing: tuple[str, ...] = ()


def before_loading(weights: dict[str, Any], model: nn.Module, classes: ClassNames | None) -> Stated:
    """Compare `weights` with a model that will load them; with `classes`, change them as `take_class_rows` does."""
    _strip_prefix_if_present(weights, "module.")  # of DistributedDataParallel; upstream would do so only later
    own = model.state_dict()
    anchors = anchors_per_place(weights), anchors_per_place(own)
    rows = ClassRows() if classes is None else take_class_rows(weights, own, classes)
    return Stated(anchors, rows, _differing(weights, own, model))


def _differing(weights: Mapping[str, Any], own: Mapping[str, Any], model: nn.Module) -> tuple[str, ...]:
    """Older checkpoints of Detectron2 hold pixel mean, pixel standard deviation and the anchors of every level."""
    found = []
    for name, ours in model.named_buffers():
        if name in weights and name not in own:
            theirs = torch.as_tensor(weights[name]).flatten().to(ours)
            if theirs.numel() != ours.numel() or not theirs.allclose(ours.flatten(), rtol=1e-3):
                found.append(name)
    return tuple(found)
