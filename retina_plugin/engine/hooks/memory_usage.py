"""How much memory a training takes."""

import re
import resource
import sys
from pathlib import Path

import torch
from detectron2.engine import HookBase

MEMORY_METRIC = "max_memory_mb"


class MemoryUsage(HookBase):
    """Records the peak memory in MB: of tensors on the model's GPU, or of this process if the model is on the CPU."""

    def after_step(self) -> None:
        device = next(self.trainer.model.parameters()).device
        self.trainer.storage.put_scalar(MEMORY_METRIC, peak_memory_mb(device), smoothing_hint=False)


def peak_memory_mb(device: torch.device) -> float:
    """Peak memory so far in MB (2**20 bytes): of tensors on a CUDA `device`, otherwise of this process."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 2**20
    if sys.platform == "linux":  # getrusage would include the peak of the process that started this one
        if found := re.search(r"VmHWM:\s*(\d+)", Path("/proc/self/status").read_text()):  # some containers lack it
            return int(found[1]) / 2**10
    unit = 1 if sys.platform == "darwin" else 1024  # macOS counts bytes, others kilobytes
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 2**20
