"""Copy rows of a classification layer for classes that have the same name in both detectors."""

import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

_LAYER, _BOXES = "head.cls_score", "head.bbox_pred.bias"  # Detectron2's names
_BOX_DIM = 4


class ClassNames(NamedTuple):
    """Names of the classes of a checkpoint and of the model that it is loaded into, each in the order of labels."""

    theirs: tuple[str, ...]
    ours: tuple[str, ...]


class ClassRows(NamedTuple):
    """Classes of the model with rows from the checkpoint, and without; `reason` says why none were compared."""

    taken: tuple[str, ...] = ()
    new: tuple[str, ...] = ()
    reason: str = ""


def take_class_rows(weights: dict[str, Any], own: Mapping[str, Tensor], classes: ClassNames) -> ClassRows:
    """Make the classification layer in `weights` fit a model with the state `own`, class by class.

    Afterwards the layer has the checkpoint's rows for classes of the same name, and the model's own for all others.
    `weights`, tensors or arrays by Detectron2's names, is changed in place, unless rows cannot be assigned to
    classes; then the result has a `reason`.
    """
    anchors = anchors_per_place(weights), anchors_per_place(own)
    if None in anchors or f"{_LAYER}.bias" not in weights or f"{_LAYER}.weight" not in weights:
        return ClassRows(reason="the checkpoint has no layers of Detectron2's RetinaNet head")
    if anchors[0] != anchors[1]:
        return ClassRows(reason=f"its head has {anchors[0]} anchors per location, the model's {anchors[1]}")
    for names, layers, whose in ((classes.theirs, weights, "the checkpoint"), (classes.ours, own, "the model")):
        if (logits := len(layers[f"{_LAYER}.bias"]) / anchors[0]) != len(names):
            return ClassRows(reason=f"{whose} has {logits:g} logits per anchor, but {len(names)} names of classes")
    if weights[f"{_LAYER}.weight"].shape[1:] != own[f"{_LAYER}.weight"].shape[1:]:
        return ClassRows(reason=f"{_LAYER} has another number of input channels")
    pairs = same_names(*classes)
    for name in (f"{_LAYER}.weight", f"{_LAYER}.bias"):
        weights[name] = with_class_rows(own[name], torch.as_tensor(weights[name]), pairs, anchors[0])
    taken = {ours for _, ours in pairs}
    return ClassRows(
        tuple(name for i, name in enumerate(classes.ours) if i in taken),
        tuple(name for i, name in enumerate(classes.ours) if i not in taken),
    )


def anchors_per_place(weights: Mapping[str, Any]) -> int | None:
    """A, the number of anchors per location, from the box layer of a state dict; None if it has no such layer."""
    return len(weights[_BOXES]) // _BOX_DIM if _BOXES in weights else None


def same_names(theirs: Sequence[str], ours: Sequence[str]) -> list[tuple[int, int]]:
    """Pairs of labels (theirs, ours) of classes with the same name.

    An equal name is preferred to one that differs only in case and punctuation; of several, the first is used.
    """
    last_first = list(enumerate(theirs))[::-1]
    exact, plain = {name: i for i, name in last_first}, {_plain(name): i for i, name in last_first}
    found = [exact.get(name, plain.get(_plain(name))) for name in ours]
    return [(label, i) for i, label in enumerate(found) if label is not None]


def with_class_rows(own: Tensor, theirs: Tensor, pairs: Sequence[tuple[int, int]], num_anchors: int) -> Tensor:
    """`own` (A * K, ...) with the rows of `theirs` (A * K', ...) for the pairs (label of theirs, label of own).

    Row a * K + k belongs to anchor a and class k, as Detectron2's head lays them out.
    """
    rows = own.detach().clone().unflatten(0, (num_anchors, -1))
    for their_label, our_label in pairs:
        rows[:, our_label] = theirs.unflatten(0, (num_anchors, -1))[:, their_label].to(rows)
    return rows.flatten(0, 1)


def _plain(name: str) -> str:
    return re.sub(r"[\W_]+", " ", name).strip().casefold() or name
