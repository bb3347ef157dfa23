"""How long a run takes and how much memory, known also of a run that is killed."""

from __future__ import annotations

import resource
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch

from .job import Job, Outcome, write_outcome

__all__ = ["clock", "peak_memory_mb"]

_NOTE_PERIOD = 10.0  # seconds


@contextmanager
def clock(job: Job, minutes: float) -> Iterator[Callable[[], float]]:
    """Minutes of the run so far, noted in the run folder now and then: a process that is killed has no last word."""
    start, over = time.monotonic(), threading.Event()

    def total() -> float:
        return minutes + (time.monotonic() - start) / 60

    def note() -> None:
        while not over.wait(_NOTE_PERIOD):
            write_outcome(job, Outcome(job.digest, total(), "has not ended", peak_memory_mb()))

    thread = threading.Thread(target=note, daemon=True)
    thread.start()
    try:
        yield total
    finally:
        over.set()
        thread.join()


def peak_memory_mb() -> float:
    """What tensors took of the GPU, or without one the memory of this process."""
    if on_gpu := torch.cuda.max_memory_allocated():
        return on_gpu / 2**20
    unit = 1 if sys.platform == "darwin" else 1024  # macOS counts bytes, Linux kilobytes
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 2**20
