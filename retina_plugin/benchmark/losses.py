"""Time and memory of classification losses, forward and backward, relative to Detectron2's RetinaNet."""

import math
import statistics
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

import torch
from fvcore.nn import sigmoid_focal_loss_jit
from tabulate import tabulate
from torch import Tensor
from torch.nn import functional as F

from ..analysis.named_losses import named_losses
from ..engine.hooks.memory_usage import peak_memory_mb
from ..modeling.losses import ClassificationLoss, DenseTargets
from .memory import call_apart, reset_peak
from .pairs import seconds_of

DETECTRON2, OURS = "detectron2", "focal"


@dataclass(frozen=True)
class Problem:
    """The size of a training step; `anchors` is per image. The default is COCO at 800 pixels."""

    images: int = 2
    anchors: int = 190_000
    classes: int = 80
    device: str = "cpu"

    def logits(self, num_logits: int) -> Tensor:
        """Logits (M, C) of M anchors at the start of training, with the prior 0.01 (mean -4.6)."""
        return torch.empty(self.images * self.anchors, num_logits, device=self.device).normal_(-4.6).requires_grad_()

    def labels(self) -> Tensor:
        """Labels (M,): per image 20 places of foreground and 200 ignored places (-1) with 9 anchors each; the rest is
        background (`classes`)."""
        labels = torch.full((self.images, self.anchors // 9, 9), self.classes)
        for image in labels:
            place = torch.randperm(len(image))
            image[place[:20]] = torch.randint(self.classes, (min(20, len(image)), 1))
            image[place[20:220]] = -1
        rest = torch.full((self.images, self.anchors % 9), self.classes)
        return torch.cat([labels.flatten(1), rest], dim=1).flatten()

    def targets(self) -> DenseTargets:
        """Labels (M,), and the anchors (R, 4) of one image, of 32 to 813 pixels at random places."""
        labels = self.labels()
        size = 32 * 25.4 ** torch.rand(self.anchors, 1)
        center = torch.rand(self.anchors, 2) * torch.tensor([1333.0, 800.0])
        anchors = torch.cat([center - size / 2, center + size / 2], dim=1)
        return DenseTargets(labels.to(self.device), anchors=anchors.to(self.device))


class StockFocalLoss(ClassificationLoss):
    """Masking, one-hot targets and fvcore's focal loss, as in `RetinaNet.losses` of Detectron2."""

    def forward(self, logits: Tensor, labels: Tensor) -> Tensor:
        """The summed focal loss, a scalar, of (M, K) logits; labels (M,) are classes, K for background, -1 ignored."""
        valid_mask = labels >= 0
        targets = F.one_hot(labels[valid_mask], logits.shape[1] + 1)[:, :-1].to(logits.dtype)
        return sigmoid_focal_loss_jit(logits[valid_mask], targets, alpha=0.25, gamma=2.0, reduction="sum")


def get_loss(name: str) -> ClassificationLoss:
    """The loss `name` of configs/common/losses.py, or Detectron2's loss for "detectron2"."""
    return StockFocalLoss() if name == DETECTRON2 else named_losses([name])[name]


def make_step(loss: ClassificationLoss, problem: Problem, targets: DenseTargets) -> Callable[[], Tensor]:
    """A function that runs forward and backward, and returns the gradient of the loss by the logits, (M, C)."""
    logits = problem.logits(loss.num_logits(problem.classes))
    return lambda: torch.autograd.grad(loss.dense_loss(logits, targets), logits)[0]


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
            | call_apart(__name__, measure_memory.__name__, name, asdict(problem))
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
