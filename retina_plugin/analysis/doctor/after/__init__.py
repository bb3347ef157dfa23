"""Checks of a run folder after training: what went wrong, and what to change."""

from collections.abc import Callable, Iterable

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
"""The checks that `examine_run` makes."""
