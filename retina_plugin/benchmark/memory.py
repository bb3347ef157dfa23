"""Peak memory of this process, or of a function in a fresh one. Linux only, or CUDA."""

import importlib
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import torch


def reset_peak(device: torch.device) -> None:
    """Reset what `peak_memory_mb` gives to the present size."""
    if device.type == "cuda":
        torch.cuda.reset_peak_memory_stats(device)
    else:
        Path("/proc/self/clear_refs").write_text("5")


def call_apart(module: str, function: str, *arguments: Any) -> Any:
    """Call a function of a module in a fresh process, where nothing else has raised the peak; returns its result.

    Arguments and result must be JSON values.

    Raises:
        ChildProcessError: if the process fails, with the end of its error output.
    """
    command = [sys.executable, "-W", "ignore", "-m", __name__, json.dumps([module, function, arguments])]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise ChildProcessError(f"measuring memory in a process of its own failed: {done.stderr.strip()[-500:]}")
    return json.loads(done.stdout.splitlines()[-1])


if __name__ == "__main__":
    module, function, arguments = json.loads(sys.argv[1])
    print(json.dumps(getattr(importlib.import_module(module), function)(*arguments)))
