"""Runs a study in three steps: prepare, run, measure. `study.report` then writes the report."""

import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from ...engine.output_folder import check_output_dir
from ...engine.reliability.folder_lock import FolderLock
from ...engine.reliability.signals import FirstSignal, handled_by
from ...files import remove_leftovers
from ...printable import few
from ..planning.recorded import record_questions
from ..planning.verdicts_at_looks import parts, settled_by
from ..spec.study import Study
from .executors import Executor, LocalExecutor
from .job import RunEnd, known_end, what_changed
from .prepare import Prepared, measure, prepare
from .progress import Progress
from .results import RunResult, result_of

_TICK = 0.5  # seconds between updates of the progress bar


def run_study(study: Study, executor: Executor | None = None) -> list[RunResult]:
    """Train every variant with every seed; returns the results seed by seed, in the order of the variants.

    A finished run is reused if config, data, code and thread count are unchanged. An interrupted or failed run
    continues from its last checkpoint. If anything has changed, the run is trained again: the terminal says what
    changed, and the earlier run is moved aside. A run that fails is reported, and the others go on.

    A study that adds seeds trains two seeds, then one more at a time, until every verdict is settled.

    The executor says where to train; by default on this machine, one run after another.

    Raises:
        ConfigError, DataError: before any training, for a config or data that cannot be used.
        FolderInUseError: if another process runs a study in this folder.
        KeyboardInterrupt, SystemExit: on Ctrl-C or SIGTERM, after all runs have saved a checkpoint and left.
    """
    executor = executor or LocalExecutor()
    check_output_dir(study.output_dir, "output_dir (--output)")
    with sigterm_unwinds(), FolderLock(study.output_dir):
        for folder in (study.output_dir, *study.output_dir.glob("*/")):
            remove_leftovers(folder)
        for part in parts(study):
            print(
                f"preparing {len(part.variants) * len(part.seeds)} runs: data, first weights",
                file=sys.stderr,
                flush=True,
            )
            prepared = prepare(part, executor.threads)
            record_questions(part)
            ends = run(prepared, executor)
            measure(part, prepared)
            results = [result_of(part, *job.key, ends[job.key]) for job in prepared.jobs]
            if len(part.seeds) < len(study.seeds) and settled_by(part, results):
                break
    return results


def run(prepared: Prepared, executor: Executor) -> dict[tuple[str, int], RunEnd]:
    """Execute every job that has not finished yet; returns how each job ended, by `Job.key`."""
    known = {job.key: known_end(job) for job in prepared.jobs}
    ends = {key: end for key, end in known.items() if end and not end.error} | prepared.failed
    rest = [job for job in prepared.jobs if job.key not in ends]
    for job in rest:
        if changed := what_changed(job):
            print(f"{job.name} runs again, and the earlier run is kept: {few(changed, 3, '; ')}")
    progress = Progress(prepared.jobs, [job for job in prepared.jobs if job.key in ends])
    try:
        executor.submit(rest)
        while under_way := [job for job in rest if job.key not in ends]:
            for job, end in executor.poll(_TICK):
                ends[job.key] = end
                progress.end_of(job, end)
                under_way.remove(job)
            progress.show(under_way)
    except BaseException:
        print("stopping: waiting for the runs to save a checkpoint", file=sys.stderr)
        executor.stop()
        print("stopped: the same command continues from there", file=sys.stderr)
        raise
    finally:
        progress.close()
    return ends


@contextmanager
def sigterm_unwinds() -> Iterator[None]:
    """Let SIGTERM raise SystemExit, as Ctrl-C raises KeyboardInterrupt; no effect outside the main thread."""
    first, asked = FirstSignal(), []

    def leave(number: int, _: Any) -> None:
        if first.is_second(number) or not asked:
            asked.append(number)
            raise SystemExit(128 + number)

    with handled_by(leave, signal.SIGTERM):
        yield
