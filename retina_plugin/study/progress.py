"""How far a study is: one bar at a terminal, one line per run elsewhere too."""

from __future__ import annotations

import json
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
        self._now, self._initial, self._start = self._done, self._done, time.monotonic()
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
        self._now = self._done + sum(min(_iterations(j), j.max_iter) for j in under_way)
        self._bar.update(max(0, self._now - self._bar.n))

    def end_of(self, job: Job, outcome: Outcome) -> None:
        """Say how a run ended, and when the study is likely to."""
        self._done += job.max_iter
        self._now = max(self._now, self._done)
        self._num_ended += 1
        how = f"failed: {outcome.error}" if outcome.error else f"{outcome.minutes:.1f} minutes"
        text = f"{self._num_ended}/{self._num_runs} {job.name}: {how}{self._rest()}"
        tqdm.write(text, file=sys.stderr)

    def close(self) -> None:
        """Leave the bar as it is."""
        self._bar.close()

    def _rest(self) -> str:
        speed = (self._now - self._initial) / (time.monotonic() - self._start)
        minutes = (self._total - self._now) / speed / 60
        return f"; the study ends in about {minutes:.1f} minutes" if minutes else ""


def _iterations(job: Job, tail: int = 8192) -> int:
    """Iterations that metrics.json tells of, from its last complete line."""
    path = Path(job.run_dir, "metrics.json")
    if not path.is_file():
        return 0
    with path.open("rb") as f:
        f.seek(max(0, path.stat().st_size - tail))
        lines = f.read().split(b"\n")[:-1]
    return int(json.loads(lines[-1])["iteration"]) + 1 if lines else 0
