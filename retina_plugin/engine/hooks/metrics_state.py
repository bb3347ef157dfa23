"""Metrics that continue after an interruption as if there had been none."""

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from detectron2.engine import HookBase
from detectron2.utils.events import EventWriter

from ...files import check_regular, naming
from ...run_folder import parse_metrics
from ..trackers.tracker import Tracker
from .memory_usage import MEMORY_METRIC

# metrics that differ between identical runs
TIMES = ("time", "data_time", "rank_data_time", "eta_seconds", MEMORY_METRIC)
_WINDOW = 20  # iterations over which Detectron2's writers smooth


class MetricsState(HookBase):
    """Keeps in the checkpoint what the writers need: recent values, and the last iteration that they have written.

    Without it, smoothed values after a resume would differ, and values not yet written would be lost.
    """

    def __init__(self, metrics_file: Path, writers: Sequence[EventWriter]) -> None:
        """`metrics_file` is the run's metrics.json; `writers` may be filled until training begins."""
        self._file, self._writers = metrics_file, writers
        self._state: dict[str, Any] = {}

    def last_write(self, start_iter: int) -> int:
        """The last iteration whose metrics were written before the checkpoint."""
        return self._state.get("last_write", start_iter - 1)

    def before_train(self) -> None:
        """Fill the new storage with the values of the checkpoint."""
        storage, now = self.trainer.storage, self.trainer.storage.iter
        for name, known in self._state.get("scalars", {}).items():
            *earlier, (value, iteration) = known["values"]
            for old_value, old_iteration in earlier:
                storage.histories()[name].update(old_value, old_iteration)
            storage.put_scalar(name, value, smoothing_hint=known["smooth"], cur_iter=iteration)
        storage.iter = now
        if self._state:
            for writer in self._file_writers():
                writer._last_write = self._state["last_write"]

    def state_dict(self) -> dict[str, Any]:
        """Recent "scalars" by name, without times and memory, and "last_write"; flushes metrics.json to the disk."""
        if self._file.is_file():
            with naming(self._file), self._file.open("rb") as f:
                os.fsync(f.fileno())  # what the checkpoint counts as written must be on the disk
        storage = self.trainer.storage
        scalars = {}
        for name, (_, last) in storage.latest().items():
            if name in TIMES:
                continue
            values = [[float(v), i] for v, i in storage.histories()[name].values() if i > last - _WINDOW]
            scalars[name] = {"values": values, "smooth": storage.smoothing_hints()[name]}
        written = max((writer._last_write for writer in self._file_writers()), default=-1)
        return {"scalars": scalars, "last_write": written}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self._state = state_dict

    def _file_writers(self) -> list[EventWriter]:
        """Detectron2's writers to files; they keep their progress in `_last_write`. Trackers know their own."""
        written = [w for w in self._writers if isinstance(getattr(w, "_last_write", None), int)]
        return [w for w in written if not isinstance(w, Tracker)]


def cut_metrics(path: Path, last_iteration: int, parse: Callable[[bytes], Any] = parse_metrics) -> None:
    """Cut metrics.json off at its first line that is incomplete or belongs to an iteration after `last_iteration`.

    `parse` reads one line, for a file of another format. Damaged lines before the cut stay; readers skip them.
    """
    check_regular(path)
    if not path.is_file():
        return
    size = 0
    with path.open("r+b") as lines:
        for line in lines:
            metrics = parse(line)
            if not line.endswith(b"\n") or (metrics is not None and metrics["iteration"] > last_iteration):
                break
            size += len(line)
        lines.truncate(size)
