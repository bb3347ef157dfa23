"""Time and memory of classification losses, forward and backward, relative to Detectron2's RetinaNet."""

import math
import statistics
from dataclasses import asdict

import torch
from tabulate import tabulate

from ...analysis.named_losses import named_losses
from ..memory import call_apart
from ..pairs import seconds_of
from .memory import measure_memory
from .problem import DETECTRON2, Problem, get_loss, make_step

OURS = "focal"


def benchmark_losses(problem: Problem, names: list[str], repeats: int) -> dict:
    """Time, memory and share of bandwidth of the losses `names` (all if empty), of focal loss, and of Detectron2's.

    Every repeat runs each loss once; "seconds" of a loss is the median over repeats. Memory is measured in a fresh
    process per loss. The share of bandwidth is the time of copying a tensor of the size of the logits, (M, K), over the
    time of the loss.
    """
    losses = {DETECTRON2: get_loss(DETECTRON2), OURS: get_loss(OURS)} | named_losses(names)
    seconds: dict[str, list[float]] = {name: [] for name in [*losses, "copy"]}
    targets = problem.targets()
    for _ in range(repeats + 1):
        seconds["copy"].append(_time_copy(problem))
        for name, loss in losses.items():
            seconds[name].append(seconds_of(make_step(loss, problem, targets)))
    seconds = {name: values[1:] for name, values in seconds.items()}  # the first repeat warms up
    median = {name: statistics.median(values) for name, values in seconds.items()}
    copied_bytes = 8 * problem.images * problem.anchors * problem.classes
    return {
        "problem": asdict(problem),
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "copy_gb_per_s": copied_bytes / median["copy"] / 1e9,
        "seconds": seconds,
        "losses": {
            name: {"seconds": median[name], "bandwidth_share": median["copy"] / median[name]}
            | call_apart(measure_memory.__module__, measure_memory.__name__, name, asdict(problem))
            for name in losses
        },
    }


def format_table(result: dict) -> str:
    """The result as a text table."""
    stock, focal = result["losses"][DETECTRON2], result["losses"][OURS]
    rows = [
        {
            "loss": name,
            "s": f"{row['seconds']:.3f}",
            "/ detectron2": f"{row['seconds'] / stock['seconds']:.3f}",
            "/ focal": f"{row['seconds'] / focal['seconds']:.2f}",
            "MB": f"{row['peak_mb']:.0f}",
            "/ detectron2 ": f"{row['peak_mb'] / (stock['peak_mb'] or math.nan):.3f}",
            "saved B/logit": f"{row['saved_bytes_per_logit']:.2f}",
            "of copy": f"{row['bandwidth_share']:.1%}",
        }
        for name, row in result["losses"].items()
    ]
    size = "{images} images x {anchors} anchors x {classes} classes".format(**result["problem"])
    settings = f"{size}, {result['threads']} threads, copy {result['copy_gb_per_s']:.1f} GB/s"
    return f"{settings}\n{tabulate(rows, 'keys', disable_numparse=True)}"


def _time_copy(problem: Problem) -> float:
    source = problem.logits(problem.classes).detach()
    target = source.clone()
    return seconds_of(lambda: target.copy_(source))
