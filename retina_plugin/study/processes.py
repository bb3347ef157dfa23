"""Fresh processes for runs, without the seconds that importing torch takes in each."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

from .child import train_job
from .job import Job, Outcome, known_outcome

__all__ = ["RunProcess", "start_process"]


class RunProcess:
    """A run that is under way."""

    def __init__(self, job: Job) -> None:
        self.job = job
        self._process = start_process(train_job, job)

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
    # threads that wait by spinning take the cores from whatever else runs on the machine
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    os.environ.setdefault("PYTHONWARNINGS", "ignore")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([target.__module__])
    process = context.Process(target=target, args=args)
    process.start()
    return process


def _reason(status: int, log: Path) -> str:
    if status in (128 + signal.SIGTERM, -signal.SIGTERM):
        return "interrupted"
    if status < 0:
        return f"killed by {signal.Signals(-status).name} (see {log})"
    lines = log.read_text(errors="replace").strip().splitlines() if log.is_file() else []
    return f"{lines[-1] if lines else f'ended with status {status}'} (see {log})"
