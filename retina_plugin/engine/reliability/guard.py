"""Stop or skip updates whose loss or gradient is not finite."""

import logging
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from detectron2.structures import Boxes, Instances
from detectron2.utils import comm
from torch import Tensor

from ...config import ConfigError
from ...files import written_in_full
from ...printable import shown
from ...weights import CheckpointError, read_content
from .diagnosis import diagnose

if TYPE_CHECKING:
    from ..trainer import Trainer

logger = logging.getLogger(__name__)
_MOST_IN_A_ROW = 10
_MOST_SAVED = 10  # batches of skipped updates, per process; each file holds the weights too


class NonFiniteError(FloatingPointError):
    """A loss or gradient is not finite; the message names iteration, place and images."""


class NonFiniteGuard:
    """Handles updates that are not finite: saves the batch for a replay, then stops the run or skips the update.

    Of skipped updates only the first ten batches are saved, so that many of them do not fill the disk.
    """

    def __init__(self, policy: str, folder: str | Path) -> None:
        """`policy` is "stop" or "skip"; raises ConfigError for anything else. Batches are saved in `folder`."""
        if policy not in ("stop", "skip"):
            raise ConfigError(f"train.nonfinite must be stop or skip, got {policy!r}")
        self._skips, self._folder = policy == "skip", Path(folder)
        self._last_iter, self._in_a_row = -2, 0

    def refuse(self, trainer: "Trainer", batch: list[dict[str, Any]], loss_dict: dict[str, Tensor]) -> None:
        """Diagnose an update, save its batch, and stop or skip it.

        Raises:
            NonFiniteError: if the policy is "stop", if buffers are not finite, or for the tenth skip in a row.
        """
        dump = self._folder / f"iteration_{trainer.iter:07d}_rank{comm.get_rank()}.pth"
        where = diagnose(trainer.inner, batch, trainer.update.dtype)
        unrecoverable = not all(b.isfinite().all() for b in trainer.inner.buffers())
        if unrecoverable:
            where += "; BatchNorm statistics are not finite; skipping cannot recover the run"
        names = ", ".join(str(inputs.get("file_name", "?")) for inputs in batch)
        values = ", ".join(f"{name} {float(loss):g}" for name, loss in loss_dict.items())
        what = f"the update of iteration {trainer.iter} is not finite ({values}): {where}; images: {names}"
        self._in_a_row = self._in_a_row + 1 if trainer.iter == self._last_iter + 1 else 1
        self._last_iter = trainer.iter
        stops = not self._skips or unrecoverable or self._in_a_row == _MOST_IN_A_ROW
        if stops or len(list(self._folder.glob(f"*_rank{comm.get_rank()}.pth"))) < _MOST_SAVED:
            _dump(dump, trainer, batch)
            what += f". The batch is saved in {dump}"
        if stops:
            raise NonFiniteError(
                f"{what}: run retina replay {shlex.quote(str(dump))} to repeat the step. "
                "A lower optimizer.lr or train.clip_grad_norm may help; train.nonfinite=skip skips such updates"
            )
        logger.warning("Skipped: %s", what)


@dataclass(frozen=True)
class Dump:
    """What a guard saves: the model's state before the update, the batch, and the mixed-precision dtype or None."""

    iteration: int
    model: dict[str, Tensor]
    batch: list[dict[str, Any]]
    dtype: torch.dtype | None


def load_dump(path: str | Path) -> Dump:
    """Read a batch that a guard saved, without running code from the file; raises ConfigError for another file."""
    try:
        content = read_content(Path(path))
    except CheckpointError as e:
        raise ConfigError(f"{shown(path, 500)} is not a batch saved by a training: {e}") from e
    if wrong := next(_faults(content), None):
        raise ConfigError(f"{shown(path, 500)} is not a batch saved by a training: {wrong}")
    batch = [_inputs(image) for image in content["batch"]]
    return Dump(content["iteration"], content["model"], batch, content["dtype"])


def _faults(content: Any) -> Iterator[str]:
    """Yield one phrase per deviation from what `_dump` writes."""
    if not isinstance(content, dict) or not {"iteration", "model", "batch", "dtype"} <= set(content):
        yield "it lacks iteration, model, batch or dtype"
        return
    model, batch = content["model"], content["batch"]
    if type(content["iteration"]) is not int or not isinstance(content["dtype"], torch.dtype | None):
        yield f"it has iteration {shown(content['iteration'])} and dtype {shown(content['dtype'])}"
    if not isinstance(model, dict) or not all(isinstance(value, Tensor) for value in model.values()):
        yield "its model is not a mapping of tensors"
    if not isinstance(batch, list) or not batch or not all(map(_is_image, batch)):
        yield "its batch is not a list of images with their boxes and classes"


def _is_image(inputs: Any) -> bool:
    if not isinstance(inputs, dict) or not _is_tensor(inputs.get("image"), 3) or not inputs["image"].numel():
        return False
    if "gt_boxes" not in inputs:
        return True
    boxes, classes, size = (inputs.get(key) for key in ("gt_boxes", "gt_classes", "image_size"))
    return (
        _is_tensor(boxes, 2)
        and _is_tensor(classes, 1)
        and boxes.shape == (len(classes), 4)
        and not classes.is_floating_point()
        and isinstance(size, tuple)
        and [type(side) for side in size] == [int, int]
    )


def _is_tensor(value: Any, dimensions: int) -> bool:
    return isinstance(value, Tensor) and value.dim() == dimensions and not value.is_complex()


def _dump(path: Path, trainer: "Trainer", batch: list[dict[str, Any]]) -> None:
    content = {
        "iteration": trainer.iter,
        "model": trainer.inner.state_dict(),
        "batch": [_plain(inputs) for inputs in batch],
        "dtype": trainer.update.dtype,
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    with written_in_full(path) as partial, partial.open("wb") as f:
        torch.save(content, f)


def _plain(inputs: dict[str, Any]) -> dict[str, Any]:
    """Reduce an input to plain values and tensors, which checkpoints may hold."""
    kept = {k: v for k, v in inputs.items() if isinstance(v, str | int | float | tuple | Tensor)}
    if (found := inputs.get("instances")) is not None:
        kept |= {"image_size": found.image_size, "gt_boxes": found.gt_boxes.tensor, "gt_classes": found.gt_classes}
    return kept


def _inputs(plain: dict[str, Any]) -> dict[str, Any]:
    if "gt_boxes" not in plain:
        return plain
    found = Instances(plain["image_size"])
    found.gt_boxes, found.gt_classes = Boxes(plain["gt_boxes"]), plain["gt_classes"]
    return plain | {"instances": found}
