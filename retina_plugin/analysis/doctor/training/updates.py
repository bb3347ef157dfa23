"""Settings of an update of the weights: what is trained, on how many images, and on which machine."""

from collections.abc import Iterator
from pathlib import Path

from torch import nn

from ....config.device import default_device
from ....engine.setup import count_cores
from ..finding import Finding
from ..subject import Subject
from .settings import batch_size, class_of, setting
from .wiring import needs

_CPU_INFO = Path("/proc/cpuinfo")
_BF16 = ("avx512_bf16", "amx_bf16", "bf16")  # flags of x86 and of ARM
_UNFREEZE = "train.freeze=[backbone.bottom_up]"


@needs("model")
def frozen(subject: Subject) -> Iterator[Finding]:
    """`train.freeze` that leaves nothing to train, or not the layer that has to learn the classes."""
    names = setting(subject.cfg, "train.freeze", [])
    trained = {name for name, p in subject.model.named_parameters() if p.requires_grad}
    left = {name for name in trained if not any(f"{name}.".startswith(f"{x}.") for x in names)}
    if names and not left:
        yield Finding("error", "all-frozen", f"train.freeze={names} leaves nothing to train", "train.freeze", _UNFREEZE)
    elif any("cls_score" in name for name in trained - left):
        message = f"train.freeze={names} freezes head.cls_score, which then keeps its random weights"
        yield Finding("warning", "head-frozen", message, "train.freeze", _UNFREEZE)


def clipping(subject: Subject) -> Iterator[Finding]:
    """A limit of the gradient's norm that almost every update exceeds: it becomes another learning rate."""
    limit = setting(subject.cfg, "train.clip_grad_norm")
    if limit is not None and limit < 0.1:
        kind = class_of(subject.cfg, "optimizer")
        message = f"train.clip_grad_norm={limit:g} clips nearly every update: a healthy norm is about 1 to 10"
        severity = "warning" if kind == "SGD" else "hint"  # Adam divides by the size of the gradient
        yield Finding(severity, "clip-small", message, "train.clip_grad_norm", "train.clip_grad_norm=10")


@needs("model")
def batch_norm(subject: Subject) -> Iterator[Finding]:
    """BatchNorm that takes its statistics from one image per forward pass: detectron2#2098."""
    images = batch_size(subject.cfg) // max(setting(subject.cfg, "train.accumulation", 1), 1)
    norms = [name for name, m in subject.model.named_modules() if isinstance(m, nn.BatchNorm2d | nn.SyncBatchNorm)]
    if images <= 1 and norms:
        message = f"{len(norms)} BatchNorm layers, such as {norms[0]}, see {images} image per forward pass"
        fix = "norm=FrozenBN with pretrained weights, norm=GN, or more images per forward pass"
        yield Finding("warning", "batchnorm-batch", message, "dataloader.train.total_batch_size", fix)


def average(subject: Subject) -> Iterator[Finding]:
    """An average of weights that is longer than the training, so that early weights stay in it."""
    decay, iterations = setting(subject.cfg, "train.ema_decay"), setting(subject.cfg, "train.max_iter", 0)
    if decay is not None and 0 < decay < 1 and 1 / (1 - decay) > iterations / 3:
        message = f"train.ema_decay={decay:g} averages over {1 / (1 - decay):.0f} updates of {iterations}"
        fix = f"train.ema_decay={max(1 - 10 / max(iterations, 20), 0.5):.3g}"
        severity = "warning" if 1 / (1 - decay) > iterations else "hint"
        yield Finding(severity, "ema-long", message, "train.ema_decay", fix)


def machine(subject: Subject) -> Iterator[Finding]:
    """bfloat16 on a processor that emulates it, or more loading processes than cores."""
    cfg, cores = subject.cfg, count_cores()
    device = default_device() if cfg.train.device == "auto" else cfg.train.device
    if setting(cfg, "train.amp.enabled", False) and device == "cpu" and not _has_bf16():
        message = "train.amp.enabled=true on a CPU without bfloat16 instructions, which emulates them in more time"
        yield Finding("warning", "bf16-emulated", message, "train.amp.enabled", "train.amp.enabled=false")
    if (workers := setting(cfg, "dataloader.train.num_workers", 0)) > cores:
        key = "dataloader.train.num_workers"
        message = f"{key}={workers}, but this process may use {cores} cores"
        yield Finding("hint", "many-workers", message, key, f"{key}={max(cores - 1, 1)}")


def _has_bf16() -> bool:
    """Whether the processor has bfloat16 instructions; True if that is unknown."""
    try:
        flags = _CPU_INFO.read_text().split()
    except OSError:
        return True
    return any(flag in flags for flag in _BF16)
