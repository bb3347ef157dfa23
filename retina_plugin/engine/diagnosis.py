"""Where in a detector numbers stop being numbers."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from detectron2.utils.events import EventStorage
from torch import Tensor, nn

__all__ = ["diagnose"]


def diagnose(
    model: nn.Module, batch: list[dict[str, Any]], dtype: torch.dtype | None = None
) -> str:
    """Name the first thing of a training step that is not finite: weight, input, level, loss term or gradient.

    The step is done again, in mixed precision of `dtype` if given; buffers and generators are left as they were.
    Gradients are not.
    """
    for name, tensor in model.state_dict().items():
        if not _finite(tensor):
            return f"{name} of the model is not finite"
    for inputs in batch:
        if not _finite(inputs["image"]):
            return f"image {inputs.get('file_name', '?')} is not finite"
    buffers = copy.deepcopy(dict(model.named_buffers()))
    try:
        return _step(model, batch, dtype)
    finally:
        for name, buffer in model.named_buffers():
            buffer.copy_(buffers[name])


def _step(model: nn.Module, batch: list[dict[str, Any]], dtype: torch.dtype | None) -> str:
    precision = torch.autocast(
        next(model.parameters()).device.type, dtype, enabled=dtype is not None
    )
    with _watch(model) as seen, torch.random.fork_rng(devices=[]), EventStorage(), precision:
        model.zero_grad()
        loss_dict = model(batch)
    for name, tensor in seen.items():
        if not _finite(tensor):
            return f"{name} is the first that is not finite"
    for name, loss in loss_dict.items():
        if not _finite(loss):
            return f"all predictions are finite, but {name} is {float(loss):g}"
    sum(loss_dict.values()).backward()
    bad = [
        f"gradient of {n}" for n, t in seen.items() if t.grad is not None and not _finite(t.grad)
    ]
    bad += [
        f"gradient of {n}"
        for n, p in model.named_parameters()
        if p.grad is not None and not _finite(p.grad)
    ]
    return f"losses are finite, but not the {bad[0]}" if bad else "it is finite when done again"


@contextmanager
def _watch(model: nn.Module) -> Iterator[dict[str, Tensor]]:
    """Features and predictions of every level, in the order they are made."""
    seen: dict[str, Tensor] = {}
    levels = list(getattr(model, "head_in_features", ()))

    def features(_: nn.Module, __: Any, output: dict[str, Tensor]) -> None:
        keep({f"feature {name} of the backbone": output[name] for name in levels})

    def predictions(_: nn.Module, __: Any, outputs: tuple[list[Tensor], ...]) -> None:
        for what, tensors in zip(("pred_logits", "pred_anchor_deltas"), outputs, strict=False):
            keep({f"{what} of level {n}": t for n, t in zip(levels, tensors, strict=True)})

    def keep(tensors: dict[str, Tensor]) -> None:
        for name, tensor in tensors.items():
            if tensor.requires_grad:
                tensor.retain_grad()
            seen[name] = tensor

    watched = (
        (getattr(model, "backbone", None), features),
        (getattr(model, "head", None), predictions),
    )
    handles = [part.register_forward_hook(hook) for part, hook in watched if part is not None]
    try:
        yield seen
    finally:
        for handle in handles:
            handle.remove()


def _finite(tensor: Tensor) -> bool:
    return not tensor.is_floating_point() or bool(tensor.isfinite().all())
