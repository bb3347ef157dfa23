"""Runs a study: what is done already is kept, and one run that fails takes no other with it."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from ...run_folder import last_evaluation
from ..spec.study import Study
from .executors import Executor, LocalExecutor
from .job import Job, Outcome, known_outcome, what_changed
from .plan import Plan, plan_jobs
from .progress import Progress
from .results import RunResult

__all__ = ["run_study"]

_TICK = 0.5  # seconds between looks at what has ended


def run_study(study: Study, executor: Executor | None = None) -> list[RunResult]:
    """Train every variant with every seed; the results seed by seed, in the order of the variants.

    A run that ended with the same config, data, code and number of threads is not repeated; one that was interrupted
    or has failed goes on from its last checkpoint; one that is another now is trained again after saying so, and the
    earlier one is moved aside. A run that fails is reported, and the others go on.

    Args:
        study: what to run.
        executor: where; by default on this machine, one run after another.

    Raises:
        ConfigError, DataError: before any training, for what cannot be used.
        KeyboardInterrupt, SystemExit: on Ctrl-C or SIGTERM, when all runs have saved a checkpoint and left.
    """
    executor = executor or LocalExecutor()
    with _leaving_on_sigterm():
        plan = plan_jobs(study, executor.threads)
        known = {job.key: known_outcome(job) for job in plan.jobs}
        done = {key: o for key, o in known.items() if o is not None and not o.error}
        outcomes = _execute(executor, plan, done | plan.failed)
    return [_result(study, job, outcomes[job.key]) for job in plan.jobs]


def _execute(executor: Executor, plan: Plan, known: dict[Any, Outcome]) -> dict[Any, Outcome]:
    """Run what has no outcome yet; the outcomes of all."""
    rest, outcomes = [job for job in plan.jobs if job.key not in known], dict(known)
    for job in rest:
        if changed := what_changed(job):
            print(f"{job.name} runs again, the earlier run is kept beside it: {_list(changed)}")
    progress = Progress(plan.jobs, [job for job in plan.jobs if job.key in known])
    try:
        executor.submit(rest)
        while under_way := [job for job in rest if job.key not in outcomes]:
            for job, outcome in executor.poll(_TICK):
                outcomes[job.key] = outcome
                progress.end_of(job, outcome)
                under_way.remove(job)
            progress.show(under_way)
            if executor.has_room():
                plan.measure()
        plan.measure()
    except BaseException:
        print("stopping when the runs under way have saved a checkpoint", file=sys.stderr)
        executor.stop()
        print("stopped: the same command goes on from there", file=sys.stderr)
        raise
    finally:
        progress.close()
    return outcomes


@contextmanager
def _leaving_on_sigterm() -> Iterator[None]:
    """SIGTERM unwinds like Ctrl-C; only the main thread of a process can arrange that."""

    def leave(number: int, _: Any) -> None:
        raise SystemExit(128 + number)

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, leave)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _result(study: Study, job: Job, outcome: Outcome) -> RunResult:
    return RunResult(
        variant=job.variant,
        seed=job.seed,
        run_dir=str(study.run_dir(job.variant, job.seed)),
        minutes=outcome.minutes,
        metrics={} if outcome.error else last_evaluation(job.run_dir),
        error=outcome.error,
        memory_mb=outcome.peak_memory_mb,
    )


def _list(changed: Sequence[str], most: int = 3) -> str:
    rest = f" and {len(changed) - most} more" if len(changed) > most else ""
    return "; ".join(changed[:most]) + rest
