"""A report of which tensors of a model come from a checkpoint."""

from collections.abc import Iterator
from dataclasses import dataclass

from fvcore.common.checkpoint import _IncompatibleKeys
from torch import nn

from ..printable import few, shown
from .before_loading import Stated
from .errors import CheckpointError

OPTIONAL = ("loss_normalizer", "num_batches_tracked")  # buffers that other RetinaNets do not save
_LEAST_TAKEN = 0.1  # share of the model's tensors
_BOTTOM_UP = "backbone.bottom_up"
_MOST_CLASSES = 8


@dataclass(frozen=True)
class InitialWeights:
    """Which tensors of a model come from a checkpoint. All others keep the model's own initial values.

    Attributes:
        path: of the checkpoint; empty if there is none.
        wanted: names of the model's tensors.
        taken: names of those that come from the checkpoint.
        wrong_shape: name, shape in the checkpoint and shape in the model, where the shapes differ.
        unused: names of tensors of the checkpoint that the model does not have.
        stated: the comparison of checkpoint and model before loading.
    """

    path: str = ""
    wanted: tuple[str, ...] = ()
    taken: tuple[str, ...] = ()
    wrong_shape: tuple[tuple[str, tuple[int, ...], tuple[int, ...]], ...] = ()
    unused: tuple[str, ...] = ()
    stated: Stated = Stated()

    @property
    def lacking(self) -> tuple[str, ...]:
        """Names of tensors of the model that the checkpoint does not have."""
        found = {*self.taken, *(name for name, *_ in self.wrong_shape)}
        return tuple(name for name in self.wanted if name not in found)

    @property
    def by_part(self) -> dict[str, tuple[int, int]]:
        """Numbers of tensors taken and wanted, by part of the model."""
        parts = dict.fromkeys(map(_part, self.wanted))
        return {
            part: tuple(sum(_part(n) == part for n in names) for names in (self.taken, self.wanted)) for part in parts
        }

    def check(self) -> None:
        """Raise CheckpointError if less than a tenth is taken: training would silently start from random weights."""
        if len(self.taken) >= max(1, _LEAST_TAKEN * len(self.wanted)):
            return
        how_many = f"{len(self.taken)} of {len(self.wanted)} tensors" if self.taken else "no tensor"
        theirs = [shown(name, 90) for name in (*self.unused, *(name for name, *_ in self.wrong_shape))]
        raise CheckpointError(
            f"checkpoint {shown(self.path, 500)} has {how_many} that fit the model, so it belongs to another "
            f"architecture. It has {few(theirs, 2)}; the model needs {few(self.lacking, 2)}. Use the config that it "
            "was trained with, or another train.init_checkpoint"
        )

    def summary(self) -> str:
        """A few lines: how much was taken, and why the rest was not."""
        if not self.path:
            return "No init_checkpoint: initial weights are the model's own"
        parts = ", ".join(f"{part} {taken} of {wanted}" for part, (taken, wanted) in self.by_part.items())
        lines = [f"{len(self.taken)} of {len(self.wanted)} tensors from {self.path}: {parts}", *self._reasons()]
        return "\n    ".join(lines)

    def details(self) -> str:
        """Every tensor, taken or not, and every class; empty without a checkpoint."""
        lists = {
            "of another shape": [f"{shown(n, 90)} {there} instead of {here}" for n, there, here in self.wrong_shape],
            "not in the checkpoint": self.lacking,
            "not in the model": [shown(name, 90) for name in self.unused],
            "classes taken over": self.stated.rows.taken,
            "new classes": self.stated.rows.new,
        }
        lines = [f"{what}: {', '.join(names)}" for what, names in lists.items() if names]
        return "\n    ".join([f"tensors from {self.path}: {', '.join(self.taken)}", *lines]) if self.path else ""

    def _reasons(self) -> Iterator[str]:
        (theirs, ours), rows, differing = self.stated
        if theirs != ours and None not in (theirs, ours):
            yield (
                f"its head has {theirs} anchors per location and the model {ours}, so class and box layer are new: to "
                "keep them, leave model.anchor_generator as in the checkpoint"
            )
        elif rows.taken or rows.new:
            names = f"{few(rows.taken, _MOST_CLASSES)}; new, from the prior: {few(rows.new, _MOST_CLASSES)}"
            yield f"in head.cls_score, classes taken over by name: {names}"
        elif any("cls_score" in name for name, *_ in self.wrong_shape):
            reason = f" ({rows.reason})" if rows.reason else ""
            yield f"head.cls_score is new, from the prior: its classes or loss are not those of the checkpoint{reason}"
        elif rows.reason:
            yield f"classes were not compared by name: {rows.reason}"
        elif any("cls_score" in name for name in self.taken):
            yield (
                "head.cls_score is taken over with the checkpoint's order of classes: if yours differ, name the "
                "checkpoint's in train.init_classes"
            )
        shapes = [f"{shown(n, 90)} {there} instead of {here}" for n, there, here in self.wrong_shape]
        if shapes:
            yield f"{len(shapes)} not taken because of their shape: {few(shapes, 3)}"
        if self.lacking:
            yield f"{len(self.lacking)} not in the checkpoint: {few(self.lacking, 3)}"
        if differing:
            yield f"the checkpoint was trained with other values of {few(differing, 3)}"
        if self.unused:
            yield f"{len(self.unused)} of the checkpoint not used: {few([shown(n, 90) for n in self.unused], 3)}"


def initial_weights(path: str, model: nn.Module, incompatible: _IncompatibleKeys, stated: Stated) -> InitialWeights:
    """The report for a checkpoint loaded into `model`; `incompatible` is what loading returned."""
    wrong = tuple((name, tuple(there), tuple(here)) for name, there, here in incompatible.incorrect_shapes)
    wanted = tuple(name for name in model.state_dict() if not name.endswith(OPTIONAL))
    absent = {*incompatible.missing_keys, *(name for name, *_ in wrong)}
    taken = tuple(name for name in wanted if name not in absent)
    buffers = dict(model.named_buffers())
    unused = tuple(name for name in incompatible.unexpected_keys if name not in buffers)
    return InitialWeights(path, wanted, taken, wrong, unused, stated)


def _part(name: str) -> str:
    if name.startswith(f"{_BOTTOM_UP}."):
        return _BOTTOM_UP
    first = name.partition(".")[0]
    return "rest of backbone" if first == "backbone" else first
