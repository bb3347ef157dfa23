"""How much memory a training takes."""

import resource
import sys

import torch
from detectron2.engine import HookBase

MEMORY_METRIC = "max_memory_mb"


class MemoryUsage(HookBase):
    """Records the peak that tensors took of the model's GPU in MB or, on a CPU, that of this process."""

    def after_step(self) -> None:
        device = next(self.trainer.model.parameters()).device
        self.trainer.storage.put_scalar(MEMORY_METRIC, peak_memory_mb(device), smoothing_hint=False)


def peak_memory_mb(device: torch.device) -> float:
    """The peak so far that tensors took of `device` in MB or, if it is the CPU, that of this process."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 2**20
    unit = 1 if sys.platform == "darwin" else 1024  # macOS counts bytes, Linux kilobytes
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 2**20
