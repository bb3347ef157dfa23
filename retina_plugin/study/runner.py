"""Runs a study: what is done already is kept, and one run that fails takes no other with it."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from .digest import run_facts
from .executors import Executor, LocalExecutor
from .job import Job, Outcome, known_outcome, what_changed
from .pairing import pair_weights
from .progress import Progress
from .results import RunResult, final_metrics
from .scales import measure_scales
from .spec import Study, Variant

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
        jobs, failed = _plan(study, executor.threads)
        known = {_key(job): known_outcome(job) for job in jobs}
        outcomes = {key: o for key, o in known.items() if o is not None and not o.error} | failed
        _execute(executor, jobs, outcomes)
    return [_result(study, job, outcomes[_key(job)]) for job in jobs]


def _plan(study: Study, threads: int) -> tuple[list[Job], dict[Any, Outcome]]:
    """All jobs, and the outcomes of those that cannot be as they should."""
    log = study.output_dir / "preparation.log"
    jobs, alike = [], {study.reference}  # alike: draws the reference's numbers, whatever the seed
    for seed in study.seeds:
        of_seed = {v.name: _job(study, v, seed, threads) for v in study.variants}
        for name, job in of_seed.items():
            if (
                name not in alike
                and (paired := pair_weights(job, of_seed[study.reference], log)) is job
            ):
                alike.add(name)
            jobs.append(job if name in alike else paired)
    first = jobs[: len(study.variants)]
    scales = measure_scales(study.output_dir, first, study.reference, study.match_scale, log)
    failed = {}
    for job in jobs if study.match_scale else ():
        if not {job.variant, study.reference} <= set(scales):
            error = f"its gradient could not be matched to {study.reference}'s (see {log})"
            failed[_key(job)] = Outcome(job.digest, error=error)
    return [_weighed(job, scales.get(job.variant, {}).get("factor", 1.0)) for job in jobs], failed


def _job(study: Study, variant: Variant, seed: int, threads: int) -> Job:
    cfg = study.run_config(variant, seed)
    return Job(
        variant=variant.name,
        seed=seed,
        run_dir=study.run_dir(variant.name, seed).resolve(),
        base=study.base,
        overrides=tuple(study.run_overrides(variant, seed)),
        facts=run_facts(cfg, threads),
        max_iter=cfg.train.max_iter,
        threads=threads,
        cwd=Path.cwd(),
    )


def _weighed(job: Job, factor: float) -> Job:
    """The job with its classification loss times `factor`."""
    if factor == 1:
        return job
    key, config = "model.cls_loss_weight", job.facts["config"]
    weight = factor * float(config.get(key, 1.0))
    return replace(
        job,
        overrides=(*job.overrides, f"{key}={weight}"),
        facts=job.facts | {"config": config | {key: str(weight)}},
    )


def _execute(executor: Executor, jobs: Sequence[Job], outcomes: dict[Any, Outcome]) -> None:
    """Run what has no outcome yet."""
    rest = [job for job in jobs if _key(job) not in outcomes]
    for job in rest:
        if changed := what_changed(job):
            print(f"{job.name} runs again, the earlier run is kept beside it: {_list(changed)}")
    progress = Progress(jobs, [job for job in jobs if _key(job) in outcomes])
    try:
        executor.submit(rest)
        while under_way := [job for job in rest if _key(job) not in outcomes]:
            for job, outcome in executor.poll(_TICK):
                outcomes[_key(job)] = outcome
                progress.end_of(job, outcome)
                under_way.remove(job)
            progress.show(under_way)
    except (KeyboardInterrupt, SystemExit):
        print("stopping when the runs under way have saved a checkpoint", file=sys.stderr)
        executor.stop()
        print("stopped: the same command goes on from there", file=sys.stderr)
        raise
    finally:
        progress.close()


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
        metrics={} if outcome.error else final_metrics(job.run_dir),
        error=outcome.error,
        memory_mb=outcome.peak_memory_mb,
    )


def _key(job: Job) -> tuple[str, int]:
    return job.variant, job.seed


def _list(changed: Sequence[str], most: int = 3) -> str:
    rest = f" and {len(changed) - most} more" if len(changed) > most else ""
    return "; ".join(changed[:most]) + rest
