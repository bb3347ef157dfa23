"""How far a study is: one bar at a terminal, one line per run elsewhere too."""

from __future__ import annotations

import os
import re
import sys
import time
from collections.abc import Iterable
from pathlib import Path

from tqdm import tqdm

from .job import Job, Outcome

__all__ = ["Progress"]


class Progress:
    """Counts iterations of all runs. Time per iteration includes evaluations and whatever else runs do."""

    def __init__(self, jobs: Iterable[Job], finished: Iterable[Job]) -> None:
        """`finished` are those of `jobs` that an earlier start has done; they do not count for the speed."""
        jobs, finished = list(jobs), list(finished)
        self._num_runs, self._num_ended = len(jobs), len(finished)
        self._total, self._done = (sum(job.max_iter for job in x) for x in (jobs, finished))
        self._initial = self._done + sum(_reached(job) for job in jobs if job not in finished)
        self._now, self._start = self._initial, time.monotonic()
        self._bar = tqdm(
            total=self._total,
            initial=self._initial,
            desc="study",
            unit="it",
            smoothing=0,  # evaluations come in lumps
            disable=None,  # where there is no terminal
        )

    def show(self, under_way: Iterable[Job]) -> None:
        """Bring the bar to where the runs are."""
        self._now = self._done + sum(_reached(job) for job in under_way)
        self._bar.update(max(0, self._now - self._bar.n))

    def end_of(self, job: Job, outcome: Outcome) -> None:
        """Say how a run ended, and when the study is likely to."""
        reached = _reached(job) if outcome.error else job.max_iter
        self._total -= job.max_iter - reached  # what a failed run leaves undone
        self._done += reached
        self._num_ended += 1
        how = f"failed: {outcome.error}" if outcome.error else f"{outcome.minutes:.1f} minutes"
        text = f"{self._num_ended}/{self._num_runs} {job.name}: {how}{self._rest()}"
        tqdm.write(text, file=sys.stderr)

    def close(self) -> None:
        """Leave the bar as it is."""
        self._bar.close()

    def _rest(self) -> str:
        speed = (self._now - self._initial) / (time.monotonic() - self._start)
        if speed <= 0 or self._now >= self._total:
            return ""
        minutes = (self._total - self._now) / speed / 60
        return f"; the study ends in about {minutes:.1f} minutes"


def _reached(job: Job, tail: int = 8192) -> int:
    """Iterations that metrics.json tells of; 0 if it cannot be read, as while a run folder is moved."""
    try:
        with Path(job.run_dir, "metrics.json").open("rb") as f:
            f.seek(max(0, os.fstat(f.fileno()).st_size - tail))
            found = re.findall(rb'"iteration": (\d+)[,}]', f.read())
    except OSError:
        return 0
    return min(int(found[-1]) + 1, job.max_iter) if found else 0
