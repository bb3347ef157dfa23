"""Work on a tall tensor piece by piece, each piece small enough to stay in a core's cache."""

from __future__ import annotations

import functools
import os
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor

import torch
from torch import Tensor

__all__ = ["for_each_chunk", "looking_is_free"]

# Smaller, and Python's own time shows; larger, and the half dozen tensors of a chunk leave the cache.
_CPU_CHUNK_ELEMENTS = 3 << 15
# A few tensors of this size fit the cache of a GPU; launching a kernel for less is waste.
_GPU_CHUNK_ELEMENTS = 1 << 22
_MAX_WORKERS = 8  # beyond this, Python's lock decides the speed


def looking_is_free(x: Tensor) -> bool:
    """Whether a branch on the values of `x` costs nothing: no waiting for a device, no break of a compiled graph."""
    return x.device.type == "cpu" and not torch.compiler.is_compiling()


def for_each_chunk(work: Callable[[slice], None], x: Tensor) -> None:
    """Call `work` with the slices that cover the rows of `x` (M, C), in any order, on CPU in parallel.

    Inside torch.compile there is one slice: the compiler fuses the operations itself.
    """
    if torch.compiler.is_compiling():
        return work(slice(None))
    elements = _CPU_CHUNK_ELEMENTS if x.device.type == "cpu" else _GPU_CHUNK_ELEMENTS
    rows = max(1, elements // max(1, x.shape[1]))
    slices = [slice(start, start + rows) for start in range(0, len(x), rows)]
    num_workers = min(torch.get_num_threads(), _MAX_WORKERS, len(slices))
    if x.device.type != "cpu" or num_workers < 2:
        return _run(work, slices)
    shares = [slices[i::num_workers] for i in range(num_workers)]
    list(_workers(num_workers, os.getpid()).map(functools.partial(_run, work), shares))


def _run(work: Callable[[slice], None], slices: Iterable[slice]) -> None:
    with torch.no_grad():  # is a property of the thread
        for rows in slices:
            work(rows)


@functools.cache
def _workers(num_workers: int, pid: int) -> ThreadPoolExecutor:
    """Threads whose operations use one core each; `pid` because threads do not survive a fork.

    PyTorch's own threads meet after every operation. On small operations this costs more than the work, and a
    thousand times more when another process wants the same cores, as data loaders do.
    """
    started, num_threads = threading.Barrier(num_workers + 1), torch.get_num_threads()

    def start() -> None:
        torch.get_num_threads()  # the first call in a thread sets it to the process's number
        torch.set_num_threads(1)
        started.wait()

    pool = ThreadPoolExecutor(num_workers, "retina_plugin_loss", initializer=start)
    for _ in range(num_workers):
        pool.submit(int)
    started.wait()
    torch.set_num_threads(num_threads)  # for threads that are born later
    return pool
