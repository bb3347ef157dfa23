"""Peak memory of one loss in one training step."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from ...engine.hooks.memory_usage import peak_memory_mb
from ..memory import reset_peak
from .problem import Problem, get_loss, make_step


def measure_memory(name: str, size: dict[str, Any]) -> dict[str, float]:
    """Growth of peak memory over a step in MB, and bytes per logit that forward saves. Linux only, or CUDA.

    `size` holds the fields of a `Problem` by name, as JSON values for `call_apart`.
    """
    loss, problem = get_loss(name), Problem(**size)
    small = Problem(1, 2000, problem.classes, problem.device)
    for _ in range(3):  # exclude libraries that are loaded or compiled at first use
        make_step(loss, small, small.targets())()
    targets = problem.targets()
    step, device = make_step(loss, problem, targets), torch.device(problem.device)
    reset_peak(device)
    before = peak_memory_mb(device)
    step()
    growth = peak_memory_mb(device) - before
    num_logits = len(targets.labels) * loss.num_logits(problem.classes)
    return {"peak_mb": growth, "saved_bytes_per_logit": _saved_bytes(step) / num_logits}


def _saved_bytes(step: Callable[[], Tensor]) -> int:
    """Bytes that forward saves for backward, each storage once, without the logits."""
    saved: dict[int, int] = {}

    def pack(x: Tensor) -> Tensor:
        if not x.requires_grad or not x.is_leaf:
            saved[x.untyped_storage().data_ptr()] = x.untyped_storage().nbytes()
        return x

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda x: x):
        step()
    return sum(saved.values())
