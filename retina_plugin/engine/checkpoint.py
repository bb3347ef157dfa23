"""Checkpoints that are complete or not there, and that say why they do not fit."""

from __future__ import annotations

import logging
import os
import pickle
from pathlib import Path
from typing import Any

import torch
from detectron2.checkpoint import DetectionCheckpointer
from fvcore.common.checkpoint import _IncompatibleKeys
from torch import nn

__all__ = ["CheckpointError", "RunCheckpointer", "find_weights"]

logger = logging.getLogger(__name__)
_OPTIONAL = ("loss_normalizer", "num_batches_tracked")  # other RetinaNets do not save them


class CheckpointError(ValueError):
    """A checkpoint that cannot be used; the message names the file."""


def find_weights(run_dir: str | Path) -> Path:
    """The checkpoint that a run folder was left with: the final one of a run that has ended.

    Raises:
        CheckpointError: if there is none.
    """
    final, tag = Path(run_dir, "model_final.pth"), Path(run_dir, "last_checkpoint")
    if tag.is_file() and (last := Path(run_dir, tag.read_text().strip())).is_file():
        return last
    if final.is_file():
        return final
    raise CheckpointError(f"run folder {run_dir} holds no checkpoint: train it first")


class RunCheckpointer(DetectionCheckpointer):
    """Detectron2's checkpointer, writing atomically and judging what it loads."""

    def __init__(
        self, model: nn.Module, save_dir: str = "", *, tag: bool = True, **checkpointables: Any
    ) -> None:
        """`tag`: whether a saved file becomes the one to resume from."""
        super().__init__(model, save_dir, **checkpointables)
        self._tag = tag
        self._incompatible = _IncompatibleKeys([], [], [])

    def save(self, name: str, **kwargs: Any) -> None:
        """Write `name`.pth in full before anything by that name is replaced."""
        if not self.save_dir or not self.save_to_disk:
            return
        state = {key: part.state_dict() for key, part in self.checkpointables.items()}
        path = Path(self.save_dir, f"{name}.pth")
        partial = path.with_suffix(".partial")
        with partial.open("wb") as f:
            torch.save({"model": self.model.state_dict()} | state | kwargs, f)
            os.fsync(f.fileno())
        partial.replace(path)
        if self._tag:
            self.tag_last_checkpoint(path.name)

    def load(self, path: str, *args: Any, **kwargs: Any) -> dict[str, Any]:
        """As upstream.

        Raises:
            CheckpointError: if the file is absent or damaged.
        """
        try:
            return super().load(path, *args, **kwargs)
        except (AssertionError, FileNotFoundError) as e:
            raise CheckpointError(f"checkpoint {path} does not exist") from e
        except (OSError, RuntimeError, EOFError, pickle.UnpicklingError, KeyError) as e:
            raise CheckpointError(f"checkpoint {path} cannot be read: {_first_line(e)}") from e
        finally:
            self._parsed_url_during_load = None  # upstream leaves it set after an error

    def load_all(self, path: str) -> None:
        """Load weights only, all of them.

        Raises:
            CheckpointError: naming tensors that are missing, unknown, or of another shape.
        """
        self.load(path, checkpointables=[])
        complaints = _complaints(self._incompatible)
        if complaints:
            raise CheckpointError(f"checkpoint {path} is of another model: {complaints}")

    def load_some(self, path: str) -> str:
        """Load the weights that fit, to start a training from; what there is to say about those that do not.

        Raises:
            CheckpointError: if none fits.
        """
        if not path:
            return "No init_checkpoint: initial weights are the model's own"
        self.load(path, checkpointables=[])
        new = [key for key, _, _ in self._incompatible.incorrect_shapes]
        new += self._incompatible.missing_keys
        if len(new) >= len(self.model.state_dict()):
            raise CheckpointError(f"checkpoint {path} has no tensor that fits the model")
        complaints = _complaints(self._incompatible) or "none"
        return f"Weights from {path}; not from there but from the model's own initial ones: {complaints}"

    def resume(self) -> int:
        """Load everything of the last checkpoint; the iteration to go on with.

        Raises:
            CheckpointError: if there is nothing to resume, or it does not fit.
        """
        if not self.has_checkpoint():
            raise CheckpointError(
                f"nothing to resume in {self.save_dir}: it has no last_checkpoint. Start without --resume"
            )
        path = self.get_checkpoint_file()
        state = self.load(path)
        if complaints := _complaints(self._incompatible):
            raise CheckpointError(f"checkpoint {path} is of another model: {complaints}")
        return int(state.get("iteration", -1)) + 1

    def _log_incompatible_keys(self, incompatible: _IncompatibleKeys) -> None:
        self._incompatible = incompatible


def _complaints(incompatible: _IncompatibleKeys) -> str:
    shapes = [
        f"{key} {tuple(theirs)} instead of {tuple(ours)}"
        for key, theirs, ours in incompatible.incorrect_shapes
    ]
    missing = [key for key in incompatible.missing_keys if not key.endswith(_OPTIONAL)]
    lists = {"wrong shape": shapes, "missing": missing, "unknown": incompatible.unexpected_keys}
    return "; ".join(f"{what}: {_shorten(keys)}" for what, keys in lists.items() if keys)


def _shorten(keys: list[str], most: int = 6) -> str:
    rest = f" and {len(keys) - most} more" if len(keys) > most else ""
    return ", ".join(keys[:most]) + rest


def _first_line(error: BaseException) -> str:
    return (str(error) or type(error).__name__).splitlines()[0]
