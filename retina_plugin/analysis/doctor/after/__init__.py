"""Checks of a run folder after training: what went wrong, and what to change."""

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from ..finding import Finding
from . import course, detections, files, misses
from .record import Record

RUN_CHECKS: tuple[Callable[[Record], Iterable[Finding]], ...] = (
    files.metrics,
    files.weights,
    files.unfinished,
    course.not_finite,
    course.diverged,
    course.flat,
    course.clipped,
    course.overfitted,
    course.improving,
    detections.nothing,
    detections.no_precision,
    detections.permuted,
    detections.one_class,
    detections.duplicates,
    misses.small_misses,
)


def explain_run(run_dir: str | Path, trust: Sequence[str] = ()) -> list[Finding]:
    """What a finished or broken run shows. Without its test data here, only losses, files and scores are examined.

    `trust` lists modules of your own that the run's config may use. Raises ConfigError if the folder holds no config,
    or one that names anything else.
    """
    record = Record(run_dir, trust)
    return [finding for check in RUN_CHECKS for finding in check(record)]
