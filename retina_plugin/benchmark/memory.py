"""Peak memory of this process, or of a function in a fresh one. Linux only, or CUDA."""

import importlib
import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch


def peak_mb(device: str = "cpu") -> float:
    """The highest resident size of this process, in MB, since it began or since `reset_peak`; on CUDA, of tensors."""
    if device.startswith("cuda"):
        return torch.cuda.max_memory_allocated(device) / 2**20
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) / 1024


def reset_peak(device: str = "cpu") -> None:
    """Let the peak begin at the present size. `resource.getrusage` would include that of the parent process."""
    if device.startswith("cuda"):
        torch.cuda.reset_peak_memory_stats(device)
    else:
        Path("/proc/self/clear_refs").write_text("5")


def call_apart(module: str, function: str, *arguments: Any) -> Any:
    """What a function of a module returns in a fresh process, whose peak nothing else has raised.

    Arguments and result are what JSON can hold.

    Raises:
        ChildProcessError: if the process fails, with the end of what it said.
    """
    command = [sys.executable, "-W", "ignore", "-m", __name__, json.dumps([module, function, arguments])]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise ChildProcessError(f"measuring memory in a process of its own failed: {done.stderr.strip()[-500:]}")
    return json.loads(done.stdout.splitlines()[-1])


def _call(module: str, function: str, arguments: Sequence[Any]) -> Any:
    return getattr(importlib.import_module(module), function)(*arguments)


if __name__ == "__main__":
    print(json.dumps(_call(*json.loads(sys.argv[1]))))
