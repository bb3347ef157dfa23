"""Process the rows of a tensor in chunks that fit the cache of a CPU core."""

import functools
import os
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor

import torch
from torch import Tensor

# Smaller chunks: threads wait for the global lock. Larger ones: the allocator gives memory back after each chunk.
_CPU_CHUNK_ELEMENTS = 3 << 16
# Smaller chunks waste kernel launches; intermediate tensors of this size still fit the cache of a GPU.
_GPU_CHUNK_ELEMENTS = 1 << 22
_MAX_WORKERS = 8  # with more threads, Python's global lock limits the speed


def can_branch_on_values(x: Tensor) -> bool:
    """Whether reading values of `x` is free: it neither waits for a GPU nor breaks the graph of torch.compile."""
    return x.device.type == "cpu" and not torch.compiler.is_compiling()


def for_each_chunk(work: Callable[[slice], None], x: Tensor) -> None:
    """Call `work` with slices that together cover the rows of `x` (M, C), in any order, on a CPU in parallel.

    Inside torch.compile there is one slice, because the compiler fuses the operations itself.
    """
    if torch.compiler.is_compiling():
        return work(slice(None))
    elements = _CPU_CHUNK_ELEMENTS if x.device.type == "cpu" else _GPU_CHUNK_ELEMENTS
    rows = max(1, elements // max(1, x.shape[1]))
    slices = [slice(start, start + rows) for start in range(0, len(x), rows)]
    num_workers = min(torch.get_num_threads(), _MAX_WORKERS, len(slices))
    run = functools.partial(_run, work, torch.is_inference_mode_enabled())
    if x.device.type != "cpu" or num_workers < 2:
        return run(slices)
    shares = [slices[i::num_workers] for i in range(num_workers)]
    list(_workers(num_workers, os.getpid()).map(run, shares))


def _run(work: Callable[[slice], None], inference: bool, slices: Iterable[slice]) -> None:
    with torch.inference_mode(inference), torch.no_grad():  # thread-local, so each worker sets them
        for rows in slices:
            work(rows)


@functools.cache
def _workers(num_workers: int, pid: int) -> ThreadPoolExecutor:
    """Threads whose operations use one core each; one pool per process, because threads do not survive a fork.

    PyTorch's own threads synchronise after every operation. For small operations this costs more than the work, and
    a thousand times more when other processes, such as data loaders, compete for the cores.
    """
    started, num_threads = threading.Barrier(num_workers + 1), torch.get_num_threads()

    def start() -> None:
        torch.get_num_threads()  # the first call in a thread resets it to the number of the process
        torch.set_num_threads(1)
        started.wait()

    pool = ThreadPoolExecutor(num_workers, "retina_plugin_loss", initializer=start)
    for _ in range(num_workers):
        pool.submit(int)
    started.wait()
    torch.set_num_threads(num_threads)  # threads that start later inherit this number
    return pool
