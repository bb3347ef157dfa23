"""What happens to an update that would leave weights that are no numbers."""

from __future__ import annotations

import logging
import pickle
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from detectron2.structures import Boxes, Instances
from detectron2.utils import comm
from torch import Tensor

from ...config import ConfigError
from ...files import written_in_full
from .diagnosis import diagnose

if TYPE_CHECKING:
    from ..trainer import Trainer

__all__ = ["Dump", "NonFiniteError", "NonFiniteGuard", "load_dump"]

logger = logging.getLogger(__name__)
_MOST_IN_A_ROW = 10


class NonFiniteError(FloatingPointError):
    """A loss or gradient that is no number; the message says when, where, and in which images."""


class NonFiniteGuard:
    """Stops a training whose update is no number, with what is needed to see it again, or skips the update."""

    def __init__(self, policy: str, folder: str | Path) -> None:
        """`policy` is "stop" or "skip"; the batch is written into `folder`.

        Raises:
            ConfigError: for another policy.
        """
        if policy not in ("stop", "skip"):
            raise ConfigError(f"train.nonfinite must be stop or skip, got {policy!r}")
        self._skips, self._folder = policy == "skip", Path(folder)
        self._last_iter, self._in_a_row = -2, 0

    def refuse(
        self, trainer: Trainer, batch: list[dict[str, Any]], loss_dict: dict[str, Tensor]
    ) -> None:
        """Say what is wrong with an update, keep its batch, and stop or go on without it.

        Raises:
            NonFiniteError: unless updates are skipped, and for ten of them in a row.
        """
        dump = self._folder / f"iteration_{trainer.iter:07d}_rank{comm.get_rank()}.pth"
        names = ", ".join(str(inputs.get("file_name", "?")) for inputs in batch)
        where = diagnose(trainer.inner, batch, trainer.update.dtype)
        values = ", ".join(f"{name} {float(loss):g}" for name, loss in loss_dict.items())
        spoiled = not all(b.isfinite().all() for b in trainer.inner.buffers())
        where += ", and running statistics are spoiled, which no skipping mends" if spoiled else ""
        what = f"iteration {trainer.iter} has no finite update ({values}): {where}; images {names}"
        _dump(dump, trainer, batch)
        self._in_a_row = self._in_a_row + 1 if trainer.iter == self._last_iter + 1 else 1
        self._last_iter = trainer.iter
        if not self._skips or spoiled or self._in_a_row == _MOST_IN_A_ROW:
            raise NonFiniteError(
                f"{what}. The batch is in {dump}: tools/replay.py {dump} shows it again. A lower optimizer.lr or "
                "train.clip_grad_norm may help; train.nonfinite=skip goes on without such batches"
            )
        logger.warning("Skipped: %s. The batch is in %s", what, dump)


@dataclass(frozen=True)
class Dump:
    """What a guard kept: the model's state before the update, the batch, and the type of mixed precision or None."""

    iteration: int
    model: dict[str, Tensor]
    batch: list[dict[str, Any]]
    dtype: torch.dtype | None


def load_dump(path: str | Path) -> Dump:
    """Read what a guard kept.

    Raises:
        ConfigError: if `path` is no such file.
    """
    try:
        content = torch.load(path, weights_only=True)
        batch = [_inputs(image) for image in content["batch"]]
        return Dump(content["iteration"], content["model"], batch, content["dtype"])
    except (OSError, RuntimeError, KeyError, TypeError, pickle.UnpicklingError) as e:
        raise ConfigError(f"{path} is no batch that a training has kept: {e}") from e


def _dump(path: Path, trainer: Trainer, batch: list[dict[str, Any]]) -> None:
    content = {
        "iteration": trainer.iter,
        "model": trainer.inner.state_dict(),
        "batch": [_plain(inputs) for inputs in batch],
        "dtype": trainer.update.dtype,
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    with written_in_full(path) as partial:
        torch.save(content, partial)


def _plain(inputs: dict[str, Any]) -> dict[str, Any]:
    """An input without classes, so that a checkpoint's rules hold for it too."""
    kept = {k: v for k, v in inputs.items() if isinstance(v, str | int | float | tuple | Tensor)}
    found = inputs.get("instances")
    if found is None:
        return kept
    boxes, classes = found.gt_boxes.tensor, found.gt_classes
    return kept | {"image_size": found.image_size, "gt_boxes": boxes, "gt_classes": classes}


def _inputs(plain: dict[str, Any]) -> dict[str, Any]:
    if "gt_boxes" not in plain:
        return plain
    found = Instances(plain["image_size"])
    found.gt_boxes, found.gt_classes = Boxes(plain["gt_boxes"]), plain["gt_classes"]
    return plain | {"instances": found}
