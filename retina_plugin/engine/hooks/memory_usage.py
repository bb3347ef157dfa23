"""How much memory a training takes."""

import resource
import sys

import torch
from detectron2.engine import HookBase

MEMORY_METRIC = "max_memory_mb"


class MemoryUsage(HookBase):
    """Records among the metrics the peak that tensors took of the GPU in MB or, without one, that of this process."""

    def after_step(self) -> None:
        self.trainer.storage.put_scalar(MEMORY_METRIC, peak_memory_mb(), smoothing_hint=False)


def peak_memory_mb() -> float:
    """The peak so far that tensors took of the GPU in MB or, without one, that of this process."""
    if on_gpu := torch.cuda.max_memory_allocated():
        return on_gpu / 2**20
    unit = 1 if sys.platform == "darwin" else 1024  # macOS counts bytes, Linux kilobytes
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 2**20
