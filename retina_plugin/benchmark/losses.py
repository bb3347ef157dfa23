"""What a classification loss costs, forward and backward, beside what Detectron2's RetinaNet does at that step.

Run as a module it prints the peak memory of one side, in a process of its own.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from fvcore.nn import sigmoid_focal_loss_jit
from tabulate import tabulate
from torch import Tensor, nn
from torch.nn import functional as F

from ..analysis.named_losses import named_losses

__all__ = ["Problem", "benchmark_losses", "format_table", "measure_memory"]

STOCK, OURS = "detectron2", "focal"


@dataclass(frozen=True)
class Problem:
    """The size of a training step; the default is COCO's at 800 pixels."""

    images: int = 2
    anchors: int = 190_000
    classes: int = 80

    def logits(self, num_logits: int) -> Tensor:
        """Logits (M, C) of a detector that starts with the prior 0.01."""
        logits = torch.empty(self.images * self.anchors, num_logits).normal_(-4.6)
        return logits.requires_grad_()

    def labels(self) -> Tensor:
        """Labels (M,): per image 20 places with foreground and 200 that are ignored, 9 anchors each."""
        labels = torch.full((self.images, self.anchors // 9, 9), self.classes)
        for image in labels:
            place = torch.randperm(len(image))
            image[place[:20]] = torch.randint(self.classes, (min(20, len(image)), 1))
            image[place[20:220]] = -1
        rest = torch.full((self.images, self.anchors % 9), self.classes)
        return torch.cat([labels.flatten(1), rest], dim=1).flatten()

    def boxes(self) -> Tensor:
        """Anchors (R, 4) of 32 to 813 pixels at random places of an image."""
        size = 32 * 25.4 ** torch.rand(self.anchors, 1)
        center = torch.rand(self.anchors, 2) * torch.tensor([1333.0, 800.0])
        return torch.cat([center - size / 2, center + size / 2], dim=1)


class StockFocalLoss(nn.Module):
    """Masking, one-hot targets and fvcore's focal loss, as in `RetinaNet.losses` of Detectron2."""

    def num_logits(self, num_classes: int) -> int:
        """One per class."""
        return num_classes

    def forward(self, logits: Tensor, labels: Tensor) -> Tensor:
        """The summed loss, a scalar."""
        valid_mask = labels >= 0
        targets = F.one_hot(labels[valid_mask], logits.shape[1] + 1)[:, :-1].to(logits.dtype)
        return sigmoid_focal_loss_jit(
            logits[valid_mask], targets, alpha=0.25, gamma=2.0, reduction="sum"
        )


def benchmark_losses(problem: Problem, names: list[str], repeats: int) -> dict:
    """Time, memory and bandwidth of `names`, all if empty, and of Detectron2's step.

    Every repeat runs each side once; ratios are of medians over repeats. Memory is the growth of the peak resident
    size over a step, in a fresh process per side, on Linux only. The share of bandwidth is the time of copying a
    tensor of the size of the logits (read once, written once) over the time of the loss.
    """
    losses = {STOCK: StockFocalLoss(), OURS: None} | named_losses(names)
    losses[OURS] = named_losses([OURS])[OURS]
    seconds = {name: [] for name in [*losses, "copy"]}
    labels, boxes = problem.labels(), problem.boxes()
    for repeat in range(repeats + 1):  # the first one warms up
        seconds["copy"].append(_time_copy(problem))
        for name, loss in losses.items():
            seconds[name].append(_time(_step(loss, problem, labels, boxes)))
        if repeat == 0:
            seconds = {name: [] for name in seconds}
    median = {name: statistics.median(values) for name, values in seconds.items()}
    rows = {name: _row(name, median, problem) for name in losses}
    return {
        "problem": asdict(problem),
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "copy_gb_per_s": 8
        * problem.images
        * problem.anchors
        * problem.classes
        / median["copy"]
        / 1e9,
        "seconds": seconds,
        "losses": rows,
    }


def format_table(result: dict) -> str:
    """The result for people."""
    stock = result["losses"][STOCK]
    header = [
        "loss",
        "s",
        "/ detectron2",
        "/ focal",
        "MB",
        "/ detectron2",
        "saved B/logit",
        "of copy",
    ]
    focal = result["losses"][OURS]["seconds"]
    rows = [
        [
            name,
            f"{row['seconds']:.3f}",
            f"{row['seconds'] / stock['seconds']:.3f}",
            f"{row['seconds'] / focal:.2f}",
            f"{row['peak_mb']:.0f}",
            f"{row['peak_mb'] / stock['peak_mb']:.3f}",
            f"{row['saved_bytes_per_logit']:.2f}",
            f"{row['bandwidth_share']:.1%}",
        ]
        for name, row in result["losses"].items()
    ]
    size = "{images} images x {anchors} anchors x {classes} classes".format(**result["problem"])
    settings = f"{size}, {result['threads']} threads, copy {result['copy_gb_per_s']:.1f} GB/s"
    return f"{settings}\n{tabulate(rows, header, disable_numparse=True)}"


def _row(name: str, median: dict[str, float], problem: Problem) -> dict[str, float]:
    share = median["copy"] / median[name]
    return {"seconds": median[name], "bandwidth_share": share, **_memory(name, problem)}


def _memory(name: str, problem: Problem) -> dict[str, float]:
    """`measure_memory` in a process of its own."""
    arguments = json.dumps({"name": name, **asdict(problem)})
    command = [sys.executable, "-W", "ignore", "-m", __name__, arguments]
    return json.loads(subprocess.run(command, check=True, capture_output=True).stdout)


def _step(loss: nn.Module, problem: Problem, labels: Tensor, boxes: Tensor) -> Callable[[], Tensor]:
    logits = problem.logits(loss.num_logits(problem.classes))
    context = {"anchors": boxes} if getattr(loss, "wants_anchors", False) else {}
    return lambda: torch.autograd.grad(loss(logits, labels, **context), logits)[0]


def _time(step: Callable[[], Tensor]) -> float:
    start = time.perf_counter()
    step()
    return time.perf_counter() - start


def _time_copy(problem: Problem) -> float:
    source = problem.logits(problem.classes).detach()
    target = source.clone()
    return _time(lambda: target.copy_(source))


def measure_memory(name: str, problem: Problem) -> dict[str, float]:
    """Growth of this process's peak over a step, and what forward keeps, for the loss `name`."""
    loss = StockFocalLoss() if name == STOCK else named_losses([name])[name]
    small = Problem(1, 2000, problem.classes)
    for _ in range(3):  # what is loaded and compiled at first use is not the loss's
        _step(loss, small, small.labels(), small.boxes())()
    labels = problem.labels()
    step = _step(loss, problem, labels, problem.boxes())
    Path("/proc/self/clear_refs").write_text(
        "5"
    )  # the peak starts anew; ru_maxrss has the parent's
    before = _peak_kb()
    step()
    peak_kb = _peak_kb() - before
    saved = _saved_bytes(step)
    num_logits = len(labels) * loss.num_logits(problem.classes)
    return {"peak_mb": peak_kb / 1024, "saved_bytes_per_logit": saved / num_logits}


def _peak_kb() -> int:
    status = Path("/proc/self/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0])


def _saved_bytes(step: Callable[[], Tensor]) -> int:
    """Memory that forward keeps for backward, each tensor once; the logits are there anyway."""
    kept: dict[int, int] = {}

    def pack(x: Tensor) -> Tensor:
        if not x.requires_grad or not x.is_leaf:
            kept[x.untyped_storage().data_ptr()] = x.untyped_storage().nbytes()
        return x

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda x: x):
        step()
    return sum(kept.values())


if __name__ == "__main__":
    arguments = json.loads(sys.argv[1])
    measured = measure_memory(arguments.pop("name"), Problem(**arguments))
    print(json.dumps(measured))
