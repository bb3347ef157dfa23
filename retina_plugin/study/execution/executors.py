"""Where runs are executed: on this machine, one or several at once. Ray is in `ray_executor.py`."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from multiprocessing import connection
from typing import Protocol

from ...config import ConfigError
from .job import Job, Outcome
from .processes import RunProcess, count_cores

__all__ = ["Executor", "LocalExecutor", "build_executor", "threads_per_run"]


class Executor(Protocol):
    """Runs jobs, somewhere. `threads` is how many CPU threads each of them has."""

    threads: int

    def submit(self, jobs: Sequence[Job]) -> None:
        """Queue jobs; they start in this order."""

    def poll(self, seconds: float) -> list[tuple[Job, Outcome]]:
        """Wait up to so long, and give what has ended since the last call."""

    def has_room(self) -> bool:
        """Whether one more could run at once, and none waits."""

    def stop(self) -> None:
        """Drop what waits, ask what runs to save a checkpoint and leave, and wait until it has."""


def build_executor(
    name: str = "local",
    jobs: int = 1,
    address: str | None = None,
    cpus_per_run: int = 1,
    gpus_per_run: float = 0,
) -> Executor:
    """The executor "local" with `jobs` runs at once, or "ray" with `cpus_per_run` and `gpus_per_run`.

    Raises:
        ConfigError: if a number is out of range, or ray is not installed.
    """
    if jobs < 1 or cpus_per_run < 1 or gpus_per_run < 0:
        raise ConfigError("--jobs and --cpus-per-run must be 1 or more, --gpus-per-run 0 or more")
    if name == "local":
        return LocalExecutor(jobs)
    from .ray_executor import RayExecutor

    return RayExecutor(address, cpus_per_run, gpus_per_run)


def threads_per_run(share: int) -> int:
    """OMP_NUM_THREADS if that is set, otherwise `share`."""
    return int(os.environ.get("OMP_NUM_THREADS", "").partition(",")[0] or max(1, share))


class LocalExecutor:
    """Processes of this machine, `jobs` at once, which share its cores."""

    def __init__(self, jobs: int = 1) -> None:
        self.threads = threads_per_run(count_cores() // jobs)
        self._jobs = jobs
        self._waiting: list[Job] = []
        self._active: list[RunProcess] = []

    def submit(self, jobs: Sequence[Job]) -> None:
        self._waiting += jobs

    def poll(self, seconds: float) -> list[tuple[Job, Outcome]]:
        self._start()
        connection.wait([run.sentinel for run in self._active], seconds)
        return self._ended()

    def has_room(self) -> bool:
        return not self._waiting and len(self._active) < self._jobs

    def stop(self) -> None:
        self._waiting.clear()
        for run in self._active:
            run.ask_to_leave()
        while self._active:
            self._ended()
            time.sleep(0.1)

    def _start(self) -> None:
        while self._waiting and len(self._active) < self._jobs:
            self._active.append(RunProcess(self._waiting.pop(0)))

    def _ended(self) -> list[tuple[Job, Outcome]]:
        polled = [(run, run.poll()) for run in self._active]
        self._active = [run for run, outcome in polled if outcome is None]
        return [(run.job, outcome) for run, outcome in polled if outcome is not None]
