"""Checkpoints that are written in full or not at all, with errors that say why one does not fit."""

import logging
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from fvcore.common.checkpoint import _IncompatibleKeys
from torch import nn

from ..files import first_line, written_in_full
from ..run_folder import FINAL_CHECKPOINT, LAST_CHECKPOINT, checkpoints
from ..weights import CheckpointError, SafeCheckpointer, UnsafeCheckpointError, read_weights

logger = logging.getLogger(__name__)
_OPTIONAL = ("loss_normalizer", "num_batches_tracked")  # other RetinaNets do not save them


class RunCheckpointer(SafeCheckpointer):
    """Detectron2's checkpointer with atomic writes and checks of what it loads."""

    def __init__(self, model: nn.Module, save_dir: str = "", *, tag: bool = True, **checkpointables: Any) -> None:
        """`tag`: whether a saved file is recorded as the one to resume from."""
        super().__init__(model, save_dir, **checkpointables)
        self._tag, self._averaged = tag, False
        self._incompatible = _IncompatibleKeys([], [], [])

    def save(self, name: str, **kwargs: Any) -> None:
        """Write `name`.pth in full, or raise OSError and keep earlier checkpoints."""
        if not self.save_dir or not self.save_to_disk:
            return
        path = Path(self.save_dir, f"{name}.pth")
        state = {key: part.state_dict() for key, part in self.checkpointables.items()}
        with written_in_full(path) as partial, partial.open("wb") as f:
            torch.save({"model": self.model.state_dict()} | state | kwargs, f)
        if self._tag:
            self.tag_last_checkpoint(path.name)

    def tag_last_checkpoint(self, last_filename_basename: str) -> None:
        """Overrides upstream's write, which leaves an empty file when interrupted."""
        with written_in_full(Path(self.save_dir, LAST_CHECKPOINT)) as partial:
            partial.write_text(last_filename_basename, encoding="utf-8")

    def load(self, path: str, *args: Any, **kwargs: Any) -> dict[str, Any]:
        """Load a checkpoint as upstream does; raises CheckpointError if it does not exist or is damaged."""
        try:
            return super().load(path, *args, **kwargs)
        except (AssertionError, FileNotFoundError) as e:
            raise CheckpointError(f"checkpoint {path} does not exist") from e
        except (OSError, KeyError) as e:
            raise CheckpointError(f"checkpoint {path} cannot be used: {first_line(e)}") from e
        finally:
            self._parsed_url_during_load = None  # upstream leaves it set after an error

    def load_all(self, path: str) -> None:
        """Load the weights, and nothing else, of the same model; averaged weights if the run kept them.

        Raises:
            CheckpointError: naming tensors that are missing, unknown, or of another shape.
        """
        self._averaged = True
        self.load(path, checkpointables=[])
        self._check_model(path)

    def load_some(self, path: str) -> str:
        """Load the weights that fit, to start a training from; returns a message about the others.

        Raises:
            CheckpointError: if none fits.
        """
        if not path:
            return "No init_checkpoint: initial weights are the model's own"
        self.load(path, checkpointables=[])
        new = len(self._incompatible.incorrect_shapes) + len(self._incompatible.missing_keys)
        if new >= len(self.model.state_dict()):
            raise CheckpointError(f"checkpoint {path} has no tensor that fits the model")
        complaints = _complaints(self._incompatible) or "none"
        return f"Weights from {path}; not from there but from the model's own initial ones: {complaints}"

    def resume(self) -> int:
        """Load all state from the last checkpoint that is not damaged; returns the iteration to continue with.

        Raises:
            CheckpointError: if there is nothing to resume, or it does not fit.
        """
        if not (candidates := checkpoints(self.save_dir)):
            raise CheckpointError(f"nothing to resume in {self.save_dir}: it has no checkpoint. Start without --resume")
        self._resumed = _first_readable(candidates)
        state = self.load(str(self._resumed))
        self._check_model(self._resumed)
        return int(state.get("iteration", -1)) + 1

    def keep_as_final(self) -> None:
        """Copy the resumed checkpoint to model_final.pth, for a run interrupted between its last two writes."""
        final = Path(self.save_dir, FINAL_CHECKPOINT)
        if self.save_to_disk and not final.is_file():
            with written_in_full(final) as partial:
                shutil.copyfile(self._resumed, partial)
            self.tag_last_checkpoint(final.name)

    def _check_model(self, path: str | Path) -> None:
        if complaints := _complaints(self._incompatible):
            raise CheckpointError(f"checkpoint {path} belongs to another model: {complaints}")

    def _load_model(self, checkpoint: dict[str, Any]) -> _IncompatibleKeys:
        if self._averaged and "ema" in checkpoint:
            checkpoint["model"] = checkpoint["ema"]["model"]
        return super()._load_model(checkpoint)

    def _log_incompatible_keys(self, incompatible: _IncompatibleKeys) -> None:
        self._incompatible = incompatible


def _first_readable(paths: Sequence[Path]) -> Path:
    """The first checkpoint that can be read; logs a warning for each that cannot."""
    for path in paths:
        try:
            read_weights(path)
            return path
        except UnsafeCheckpointError:
            raise  # not an accident, so an older checkpoint is not tried
        except CheckpointError as e:
            logger.warning("%s. Trying the previous one", e)
    raise CheckpointError(f"none of the {len(paths)} checkpoints in {paths[0].parent} can be read")


def _complaints(incompatible: _IncompatibleKeys) -> str:
    shapes = [f"{key} {tuple(theirs)} instead of {tuple(ours)}" for key, theirs, ours in incompatible.incorrect_shapes]
    missing = [key for key in incompatible.missing_keys if not key.endswith(_OPTIONAL)]
    lists = {"wrong shape": shapes, "missing": missing, "unknown": incompatible.unexpected_keys}
    rest = {what: f" and {len(keys) - 6} more" if len(keys) > 6 else "" for what, keys in lists.items()}
    return "; ".join(f"{what}: {', '.join(keys[:6])}{rest[what]}" for what, keys in lists.items() if keys)
