"""Where runs are executed: on this machine, one or several at once. Ray is in `ray_executor.py`."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Protocol

from ...config import ConfigError
from .job import Job, RunEnd
from .run_process import RunProcess
from .threads import count_cores, threads_per_run

__all__ = ["Executor", "LocalExecutor", "build_executor"]

_LOOK_PERIOD = 0.1  # seconds between looks at processes


class Executor(Protocol):
    """Executes jobs. `threads` is the number of CPU threads of each."""

    threads: int

    def submit(self, jobs: Sequence[Job]) -> None:
        """Queue jobs; they start in this order."""

    def poll(self, seconds: float) -> list[tuple[Job, RunEnd]]:
        """Wait up to `seconds`, and return the jobs that ended since the last call."""

    def stop(self) -> None:
        """Drop queued jobs, ask running ones to save a checkpoint and leave, and wait until they have."""


def build_executor(
    name: str = "local",
    jobs: int = 1,
    address: str | None = None,
    cpus_per_run: int = 1,
    gpus_per_run: float = 0,
) -> Executor:
    """The executor "local" with `jobs` runs at once, or "ray" with `cpus_per_run` and `gpus_per_run`.

    Raises:
        ConfigError: if a number is out of range, or Ray is not installed.
    """
    if jobs < 1 or cpus_per_run < 1 or gpus_per_run < 0:
        raise ConfigError("--jobs and --cpus-per-run must be 1 or more, --gpus-per-run 0 or more")
    if name == "local":
        return LocalExecutor(jobs)
    from .ray_executor import RayExecutor

    return RayExecutor(address, cpus_per_run, gpus_per_run)


class LocalExecutor:
    """Processes on this machine, `jobs` at once, which share its cores."""

    def __init__(self, jobs: int = 1) -> None:
        self.threads = threads_per_run(count_cores() // jobs)
        self._jobs = jobs
        self._queued: list[Job] = []
        self._active: list[RunProcess] = []

    def submit(self, jobs: Sequence[Job]) -> None:
        self._queued += jobs

    def poll(self, seconds: float) -> list[tuple[Job, RunEnd]]:
        end = time.monotonic() + seconds
        while True:
            while self._queued and len(self._active) < self._jobs:
                self._active.append(RunProcess(self._queued.pop(0)))
            if (ended := self._ended()) or time.monotonic() > end:
                return ended
            time.sleep(_LOOK_PERIOD)

    def stop(self) -> None:
        self._queued.clear()
        for run in self._active:
            run.ask_to_leave()
        self._active = [run for run in self._active if run.has_started]
        while self._active:
            self._ended()
            time.sleep(_LOOK_PERIOD)

    def _ended(self) -> list[tuple[Job, RunEnd]]:
        polled = [(run, run.poll()) for run in self._active]
        self._active = [run for run, end in polled if end is None]
        return [(run.job, end) for run, end in polled if end is not None]
