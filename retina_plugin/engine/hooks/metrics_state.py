"""Metrics that go on where a run was interrupted, as if it had not been."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from detectron2.engine import HookBase
from detectron2.utils.events import EventWriter

from .memory_usage import MEMORY_METRIC

__all__ = ["TIMES", "MetricsMemory", "cut_metrics"]

# of this process, not of the run
TIMES = ("time", "data_time", "rank_data_time", "eta_seconds", MEMORY_METRIC)
_WINDOW = 20  # iterations that Detectron2's writers smooth over


class MetricsMemory(HookBase):
    """Keeps in the checkpoint what the writers still need: recent values, and what they have written.

    Without it the smoothed values after a resume would differ, and values that wait to be written would be lost.
    """

    def __init__(self, metrics_file: Path) -> None:
        """`metrics_file` is the run's metrics.json."""
        self._file = metrics_file
        self._writers: Sequence[EventWriter] = ()
        self._state: dict[str, Any] = {}

    def watch(self, writers: Sequence[EventWriter]) -> None:
        """The writers whose progress counts; Detectron2's for files keep it in `_last_write`."""
        self._writers = [w for w in writers if isinstance(getattr(w, "_last_write", None), int)]

    def last_write(self, start_iter: int) -> int:
        """The last iteration whose metrics were written before the checkpoint."""
        return self._state.get("last_write", start_iter - 1)

    def before_train(self) -> None:
        """Fill the new storage with what the old one held."""
        storage, now = self.trainer.storage, self.trainer.storage.iter
        for name, known in self._state.get("scalars", {}).items():
            *earlier, (value, iteration) = known["values"]
            for old_value, old_iteration in earlier:
                storage.histories()[name].update(old_value, old_iteration)
            storage.put_scalar(name, value, smoothing_hint=known["smooth"], cur_iter=iteration)
        storage.iter = now
        if self._state:
            for writer in self._writers:
                writer._last_write = self._state["last_write"]

    def state_dict(self) -> dict[str, Any]:
        """Recent values of every scalar, and the last iteration that was written."""
        if self._file.is_file():
            with self._file.open("rb") as f:
                os.fsync(f.fileno())  # what a checkpoint counts as written has to be on the disk
        storage = self.trainer.storage
        scalars = {}
        for name, (_, last) in storage.latest().items():
            if name in TIMES:
                continue
            values = [
                [float(v), i] for v, i in storage.histories()[name].values() if i > last - _WINDOW
            ]
            scalars[name] = {"values": values, "smooth": storage.smoothing_hints()[name]}
        written = max((writer._last_write for writer in self._writers), default=-1)
        return {"scalars": scalars, "last_write": written}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self._state = state_dict


def cut_metrics(path: Path, last_iteration: int) -> None:
    """Cut off what a run wrote after its checkpoint, and a line that was not finished."""
    if not path.is_file():
        return
    size = 0
    for line in path.read_bytes().splitlines(keepends=True):
        if not line.endswith(b"\n") or json.loads(line)["iteration"] > last_iteration:
            break
        size += len(line)
    os.truncate(path, size)
