"""Fresh processes for runs, without the seconds that importing torch takes in each."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections import deque
from collections.abc import Callable, Iterable
from multiprocessing import connection
from pathlib import Path
from typing import Any

from .child import train_job
from .job import Job, Outcome, known_outcome
from .server import start_server

__all__ = [
    "RunProcess",
    "count_cores",
    "processes_at_once",
    "run_side_by_side",
    "start_process",
]

_MOST_AT_ONCE = 8  # memory does not grow with cores


class RunProcess:
    """A run that is under way."""

    def __init__(self, job: Job) -> None:
        self.job = job
        self._process = start_process(train_job, job)
        self.sentinel = self._process.sentinel  # ready when the run has ended

    def poll(self) -> Outcome | None:
        """How the run ended; None while it is under way."""
        status = self._process.exitcode
        if status is None:
            return None
        known = known_outcome(self.job)
        if status == 0 and known is not None and not known.error:
            return known
        minutes = known.minutes if known is not None else 0.0
        return Outcome(self.job.digest, minutes, _reason(status, self.job.beside(".log")))

    def ask_to_leave(self) -> None:
        """The run saves a checkpoint and ends; `poll` says when it has."""
        self._process.terminate()


def start_process(target: Callable[..., None], *args: Any) -> multiprocessing.Process:
    """A process of its own for `target`, forked from one that has imported everything and done nothing.

    A script that starts processes keeps its own doings below `if __name__ == "__main__":`, as with all of
    multiprocessing.
    """
    start_server()
    process = multiprocessing.get_context("forkserver").Process(target=target, args=args)
    process.start()
    return process


def run_side_by_side(
    target: Callable[..., None], arguments: Iterable[tuple[Any, ...]], at_once: int
) -> None:
    """Call `target` with each of `arguments`, every time in a process of its own, and wait until all have ended.

    How one ends is for the caller to find out.
    """
    waiting, active = deque(arguments), []
    try:
        while waiting or active:
            while waiting and len(active) < at_once:
                active.append(start_process(target, *waiting.popleft()))
            connection.wait([process.sentinel for process in active])
            active = [process for process in active if process.is_alive()]
    finally:
        for process in active:
            process.terminate()


def processes_at_once(threads: int) -> int:
    """How many short-lived processes the cores are enough for, with so many threads each."""
    return min(max(1, count_cores() // threads), _MOST_AT_ONCE)


def count_cores() -> int:
    """Those that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _reason(status: int, log: Path) -> str:
    if status in (128 + signal.SIGTERM, -signal.SIGTERM):
        return "interrupted"
    if status < 0:
        return f"killed by {signal.Signals(-status).name} (see {log})"
    lines = log.read_text(errors="replace").strip().splitlines() if log.is_file() else []
    return f"{lines[-1] if lines else f'ended with status {status}'} (see {log})"
