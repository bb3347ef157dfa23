"""How far a study is: a bar on a terminal, and a line for every run that ends."""

import sys
import time
from collections.abc import Iterable

from tqdm import tqdm

from ...run_folder import iterations_done
from .job import Job, RunEnd


class Progress:
    """Counts the iterations of all runs. The time per iteration includes evaluations and everything else runs do."""

    def __init__(self, jobs: Iterable[Job], finished: Iterable[Job]) -> None:
        """`finished`: those of `jobs` that an earlier start completed; they do not count in the speed."""
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
            smoothing=0,  # evaluations make the speed uneven
            disable=None,  # no bar without a terminal
        )

    def show(self, under_way: Iterable[Job]) -> None:
        """Update the bar."""
        self._now = self._done + sum(_reached(job) for job in under_way)
        self._bar.update(max(0, self._now - self._bar.n))

    def end_of(self, job: Job, end: RunEnd) -> None:
        """Print how a run ended, and when the study will probably end."""
        reached = _reached(job) if end.error else job.max_iter
        self._total -= job.max_iter - reached  # a failed run leaves these undone
        self._done += reached
        self._num_ended += 1
        how = f"failed: {end.error}" if end.error else f"{end.minutes:.1f} minutes"
        tqdm.write(f"{self._num_ended}/{self._num_runs} {job.name}: {how}{self._rest()}", file=sys.stderr)

    def close(self) -> None:
        """End the bar."""
        self._bar.close()

    def _rest(self) -> str:
        speed = (self._now - self._initial) / (time.monotonic() - self._start)
        if speed <= 0 or self._now >= self._total:
            return ""
        minutes = (self._total - self._now) / speed / 60
        return f"; the study ends in about {minutes:.1f} minutes"


def _reached(job: Job) -> int:
    return min(iterations_done(job.run_dir), job.max_iter)
