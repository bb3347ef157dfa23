"""Checkpoints that are written in full or not at all, with errors that say why a checkpoint does not fit."""

import errno
import logging
from pathlib import Path
from typing import Any

import torch
from detectron2.utils import comm
from fvcore.common.checkpoint import _IncompatibleKeys
from torch import nn

from ..files import write_text, written_in_full
from ..printable import few, shown
from ..run_folder import FINAL_CHECKPOINT, LAST_CHECKPOINT, checkpoints, iteration_checkpoint
from ..weights import CheckpointError, ClassNames, InitialWeights, SafeCheckpointer, UnsafeCheckpointError
from ..weights.before_loading import Stated, before_loading
from ..weights.initial_weights import OPTIONAL, initial_weights
from .reliability.checkpoint_state import inconsistencies, is_averaged
from .reliability.memory_errors import is_out_of_memory

logger = logging.getLogger(__name__)


class RunCheckpointer(SafeCheckpointer):
    """Detectron2's checkpointer with atomic writes and checks of what it loads."""

    def __init__(self, model: nn.Module, save_dir: str = "", *, tag: bool = True, **checkpointables: Any) -> None:
        """`tag`: whether a saved file is recorded in `last_checkpoint` as the one to resume from."""
        super().__init__(model, save_dir, **checkpointables)
        self._tag, self._resuming = tag, False
        self._averaged = self._starting = False
        self._resumed, self._resumed_iteration = Path(), -1
        self._incompatible = _IncompatibleKeys([], [], [])
        self._classes: ClassNames | None = None
        self._stated = Stated()

    def save(self, name: str, **kwargs: Any) -> None:
        """Write `name`.pth in full, or raise OSError and keep earlier checkpoints.

        The final checkpoint replaces an earlier file of the same iteration.
        """
        if not self.save_dir or not self.save_to_disk:
            return
        path = Path(self.save_dir, f"{name}.pth")
        is_final = path.name == FINAL_CHECKPOINT
        if self._resumed.name == FINAL_CHECKPOINT and not is_final:  # the run goes on after its end
            self._rename_resumed(f"{iteration_checkpoint(self._resumed_iteration)}.pth")
        state = {key: part.state_dict() for key, part in self.checkpointables.items()}
        with written_in_full(path) as partial, partial.open("wb") as f:
            torch.save({"model": self.model.state_dict()} | state | kwargs, f)
        if self._tag:
            self.tag_last_checkpoint(path.name)
        if is_final and "iteration" in kwargs:
            path.with_name(f"{iteration_checkpoint(kwargs['iteration'])}.pth").unlink(missing_ok=True)

    def tag_last_checkpoint(self, last_filename_basename: str) -> None:
        """Overrides upstream's write, which leaves an empty file if it is interrupted."""
        write_text(Path(self.save_dir, LAST_CHECKPOINT), last_filename_basename)

    def load_all(self, path: str) -> None:
        """Load only the weights of the same model: averaged weights if the checkpoint holds them.

        Raises:
            CheckpointError: naming tensors that are missing, unknown, or of another shape.
        """
        self._averaged = True
        self.load(path, checkpointables=[])
        self._check_model(path)

    def load_some(self, path: str, classes: ClassNames | None = None, averaged: bool = True) -> InitialWeights:
        """Load the weights that fit, to start a training from them; returns which weights were loaded.

        Of a run with `train.ema_decay` these are the averaged weights, with which it was evaluated, unless not
        `averaged`.
        With `classes`, the classification layer is taken over class by class, see `take_class_rows`.

        Raises:
            CheckpointError: if no or almost no weights fit.
        """
        if not path:
            return InitialWeights()
        self._classes, self._starting = classes, averaged
        try:
            self.load(path, checkpointables=[])
        finally:
            self._starting = False
        found = initial_weights(path, self.model, self._incompatible, self._stated)
        found.check()
        return found

    def resume(self) -> int:
        """Load all state from the last checkpoint that is not damaged; returns the iteration to continue with.

        A damaged or inconsistent checkpoint is skipped with a warning. All processes must call this.

        Raises:
            CheckpointError: if there is no usable checkpoint, if it belongs to another model, if it cannot be read
                but may be intact, or if processes have loaded different checkpoints.
        """
        if not (candidates := checkpoints(self.save_dir)):
            raise CheckpointError(f"nothing to resume in {self.save_dir}: it has no checkpoint. Start without --resume")
        for path in candidates:
            if (state := self._load_state(path)) is not None:
                self._check_model(path)
                self._resumed, self._resumed_iteration = path, state["iteration"]
                _check_same_everywhere(path)
                return state["iteration"] + 1
        raise CheckpointError(
            f"none of the {len(candidates)} checkpoints in {self.save_dir} can be used: train anew without --resume"
        )

    def _load_state(self, path: Path) -> dict[str, Any] | None:
        """Load a checkpoint; returns its other content, or None after a warning if it is damaged or inconsistent."""
        self._incompatible, self._resuming = _IncompatibleKeys([], [], []), True
        try:
            return self.load(str(path))
        except UnsafeCheckpointError:
            raise  # not accidental damage, so older checkpoints are not tried
        except CheckpointError as e:
            if _may_be_intact(e.__cause__):
                raise CheckpointError(f"{e}. Try again, or remove the file to resume from the one before") from e
            self._check_model(path)  # its state does not fit if it belongs to another model
            logger.warning("%s. Trying the previous one", e)
            return None
        finally:
            self._resuming = False

    def keep_as_final(self) -> None:
        """Rename the resumed checkpoint to model_final.pth: for a run at its end whose final checkpoint is unusable."""
        if self.save_to_disk and self._resumed.name != FINAL_CHECKPOINT:
            self._rename_resumed(FINAL_CHECKPOINT)
            self.tag_last_checkpoint(FINAL_CHECKPOINT)

    def _rename_resumed(self, name: str) -> None:
        """Rename the resumed file. Until the next tag `last_checkpoint` names a missing file, which is ignored."""
        self._resumed = self._resumed.replace(self._resumed.with_name(name))

    def _check_model(self, path: str | Path) -> None:
        if complaints := _complaints(self._incompatible):
            raise CheckpointError(f"checkpoint {path} belongs to another model: {complaints}")

    def _load_model(self, checkpoint: dict[str, Any]) -> _IncompatibleKeys:
        if self._resuming:
            self._check_state(checkpoint)
        if self._averaged and "ema" in checkpoint:
            if wrong := next(inconsistencies({"ema": checkpoint["ema"]}), None):
                raise ValueError(wrong)
            checkpoint["model"] = checkpoint["ema"]["model"]
        if self._starting and is_averaged(checkpoint):  # other programs may mean something else by "ema"
            logger.info("The initial weights are the averaged ones of a run with train.ema_decay")
            checkpoint["model"] = checkpoint["ema"]["model"]
        self._stated = before_loading(checkpoint["model"], self.model, self._classes)
        return super()._load_model(checkpoint)

    def _check_state(self, checkpoint: dict[str, Any]) -> None:
        """Raise ValueError for a checkpoint that a training could not continue from, before anything is loaded."""
        for name in ("iteration", "trainer"):
            if name not in checkpoint and (name in self.checkpointables or name == "iteration"):
                raise ValueError(f"it has no {name}, so it is not one that a training wrote to resume from")
        optimizer, weights = getattr(self.checkpointables.get("trainer"), "optimizer", None), checkpoint["model"]
        for name, parameter in self.model.named_parameters():
            if name not in weights or weights[name].shape != parameter.shape:
                optimizer = None  # a checkpoint of another model is reported elsewhere
        if wrong := next(inconsistencies(checkpoint, optimizer), None):
            raise ValueError(wrong)

    def _log_incompatible_keys(self, incompatible: _IncompatibleKeys) -> None:
        self._incompatible = incompatible


def _may_be_intact(error: BaseException | None) -> bool:
    """Whether reading failed for a reason other than the checkpoint's content, such as an unreachable file server.

    Resuming from an earlier checkpoint would then lose progress without need.
    """
    if isinstance(error, OSError):
        return error.errno not in (None, errno.ENOENT, errno.EINVAL)  # damaged content leads to invalid positions
    return error is not None and is_out_of_memory(error)


def _check_same_everywhere(path: Path) -> None:
    """Raise CheckpointError if processes have loaded different checkpoints: they would train different models."""
    if len(names := sorted(set(comm.all_gather(path.name)))) > 1:
        raise CheckpointError(
            f"the processes read different checkpoints of {path.parent}: {', '.join(names)}. Start again; if this is "
            "repeated, see why some of them cannot read the newest"
        )


def _complaints(incompatible: _IncompatibleKeys) -> str:
    wrong = incompatible.incorrect_shapes
    shapes = [f"{shown(key, 90)} {tuple(theirs)} instead of {tuple(ours)}" for key, theirs, ours in wrong]
    missing = [key for key in incompatible.missing_keys if not key.endswith(OPTIONAL)]
    unknown = [shown(key, 90) for key in incompatible.unexpected_keys]
    lists = {"wrong shape": shapes, "missing": missing, "unknown": unknown}
    return "; ".join(f"{what}: {few(keys, 6)}" for what, keys in lists.items() if keys)
