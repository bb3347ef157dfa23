"""Peak memory of one loss in one training step. Run as a module, it measures in a fresh process and prints JSON."""

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict

import torch
from torch import Tensor

from .loss_problem import Problem, get_loss, make_step
from .memory import peak_mb, reset_peak


def measure_memory_apart(name: str, problem: Problem) -> dict[str, float]:
    """`measure_memory` in a fresh process, whose peak nothing else has raised."""
    arguments = json.dumps({"name": name, **asdict(problem)})
    command = [sys.executable, "-W", "ignore", "-m", __name__, arguments]
    return json.loads(subprocess.run(command, check=True, capture_output=True).stdout)


def measure_memory(name: str, problem: Problem) -> dict[str, float]:
    """Growth of this process's peak resident size over a step, and what forward saves. Linux only."""
    loss = get_loss(name)
    small = Problem(1, 2000, problem.classes)
    for _ in range(3):  # libraries that are loaded or compiled at first use do not count
        make_step(loss, small, small.targets())()
    targets = problem.targets()
    step = make_step(loss, problem, targets)
    reset_peak()
    before = peak_mb()
    step()
    growth = peak_mb() - before
    num_logits = len(targets.labels) * loss.num_logits(problem.classes)
    return {"peak_mb": growth, "saved_bytes_per_logit": _saved_bytes(step) / num_logits}


def _saved_bytes(step: Callable[[], Tensor]) -> int:
    """Memory that forward saves for backward, each tensor once, without the logits."""
    saved: dict[int, int] = {}

    def pack(x: Tensor) -> Tensor:
        if not x.requires_grad or not x.is_leaf:
            saved[x.untyped_storage().data_ptr()] = x.untyped_storage().nbytes()
        return x

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda x: x):
        step()
    return sum(saved.values())


if __name__ == "__main__":
    arguments = json.loads(sys.argv[1])
    print(json.dumps(measure_memory(arguments.pop("name"), Problem(**arguments))))
