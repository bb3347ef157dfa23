"""Progress of a study: a bar and the active runs, or lines without a terminal, and a line for every run that ends."""

import sys
import time
from collections.abc import Iterable

from tqdm import tqdm

from ...run_folder import LOG, iterations_done
from .job import Job, RunEnd

_PERIOD = 10.0  # seconds between lines where there is no terminal


class Progress:
    """Counts the iterations of all runs. The time per iteration includes evaluations and everything else runs do."""

    def __init__(self, jobs: Iterable[Job], finished: Iterable[Job]) -> None:
        """`finished` are the `jobs` that were complete before this start; they do not count in the speed."""
        jobs, finished = list(jobs), list(finished)
        self._num_runs, self._num_ended = len(jobs), len(finished)
        self._total, self._done = (sum(job.max_iter for job in x) for x in (jobs, finished))
        self._initial = self._done + sum(_reached(job) for job in jobs if job not in finished)
        self._now, self._start = self._initial, time.monotonic()
        self._begun: dict[tuple[str, int], tuple[int, float]] = {}  # iterations and time when a run was first seen
        self._logs = {job.key: _state_of_log(job) for job in jobs}  # those of earlier starts
        self._next_line = time.monotonic()
        self._bar = tqdm(
            total=self._total,
            initial=self._initial,
            desc="study",
            unit="it",
            smoothing=0,  # evaluations make the speed uneven
            disable=None,  # no bar without a terminal
        )
        self._runs = tqdm(bar_format="{desc}", disable=None, leave=False)

    def show(self, under_way: Iterable[Job]) -> None:
        """Update the bar and the progress of the runs that are `under_way`."""
        under_way = list(under_way)
        self._now = self._done + sum(_reached(job) for job in under_way)
        self._bar.update(max(0, self._now - self._bar.n))
        started = [job for job in under_way if _state_of_log(job) != self._logs[job.key]]
        text = "; ".join(map(self._pace, started))
        self._runs.set_description_str(text or "starting")
        if self._bar.disable and started and time.monotonic() >= self._next_line:
            self._next_line = time.monotonic() + _PERIOD
            print(f"{self._now} of {self._total} iterations: {text}", file=sys.stderr, flush=True)

    def end_of(self, job: Job, end: RunEnd) -> None:
        """Print how a run ended, and when the study will probably end."""
        reached = _reached(job) if end.error else job.max_iter
        self._total -= job.max_iter - reached  # iterations that a failed run leaves out
        self._done += reached
        self._num_ended += 1
        how = f"failed: {end.error}" if end.error else f"{end.minutes:.1f} minutes"
        tqdm.write(f"{self._num_ended}/{self._num_runs} {job.name}: {how}{self._rest()}", file=sys.stderr)

    def close(self) -> None:
        """End the bar."""
        self._runs.close()
        self._bar.close()

    def _pace(self, job: Job) -> str:
        """Such as "focal, seed 0: 60/120, 35 s left", at the speed since the run started."""
        reached, now = _reached(job), time.monotonic()
        initial, start = self._begun.setdefault(job.key, (reached, now))
        known = f"{job.name}: {reached}/{job.max_iter}"
        if reached <= initial:
            return f"{known}, starting"
        if reached == job.max_iter:
            return f"{known}, evaluating"
        return f"{known}, {(job.max_iter - reached) * (now - start) / (reached - initial):.0f} s left"

    def _rest(self) -> str:
        speed = (self._now - self._initial) / (time.monotonic() - self._start)
        if speed <= 0 or self._now >= self._total:
            return ""
        minutes = (self._total - self._now) / speed / 60
        return f"; the study ends in about {minutes:.1f} minutes"


def _state_of_log(job: Job) -> tuple[int, int] | None:
    """Size and time of the run's log, None where there is none. Time alone may lag behind the clock by some ms."""
    try:
        stat = (job.run_dir / LOG).stat()
    except OSError:
        return None
    return stat.st_size, stat.st_mtime_ns


def _reached(job: Job) -> int:
    return min(iterations_done(job.run_dir), job.max_iter)
