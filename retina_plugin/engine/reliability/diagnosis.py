"""Find the first value of a training step that is not finite."""

import copy
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

import torch
from detectron2.utils.events import EventStorage
from torch import Tensor, nn

from ...modeling.meta_arch import ForegroundAverage


def diagnose(model: nn.Module, batch: list[dict[str, Any]], dtype: torch.dtype | None = None) -> str:
    """Name the first image, weight, feature, prediction, loss or gradient of a training step that is not finite.

    The step is repeated, in mixed precision of `dtype` if given. Buffers and random generators are restored afterwards;
    gradients are not.
    """
    for inputs in batch:
        if not _finite(inputs["image"]):
            return f"image {inputs.get('file_name', '?')} is not finite"
    for name, parameter in model.named_parameters():
        if not _finite(parameter):
            return f"parameter {name} is not finite"
    with _step(model, batch, dtype) as (seen, loss_dict):
        return _first_not_finite(model, seen, loss_dict)


def magnitudes(
    model: nn.Module, batch: list[dict[str, Any]], dtype: torch.dtype | None = None
) -> list[tuple[str, float, int]]:
    """Repeat a step, and list its features, predictions and losses.

    Returns:
        Name, largest absolute value, and number of values that are not finite, of each.
    """
    with _step(model, batch, dtype) as (seen, loss_dict):
        return [
            (name, tensor.detach().abs().max().item(), int((~tensor.isfinite()).sum()))
            for name, tensor in (seen | loss_dict).items()
        ]


@contextmanager
def _step(
    model: nn.Module, batch: list[dict[str, Any]], dtype: torch.dtype | None
) -> Iterator[tuple[dict[str, Tensor], dict[str, Tensor]]]:
    """Run a forward pass without other processes; yields features and predictions by name, and the summed losses."""
    buffers = copy.deepcopy(dict(model.named_buffers()))
    precision = torch.autocast(next(model.parameters()).device.type, dtype, enabled=dtype is not None)
    average = ForegroundAverage.of(model)
    alone = nullcontext() if average is None else average.summing()
    try:
        with _watch(model) as seen, torch.random.fork_rng(devices=[]), EventStorage():
            model.zero_grad()
            with precision, alone:
                loss_dict = model(batch)
        yield seen, loss_dict
    finally:
        for name, buffer in model.named_buffers():
            buffer.copy_(buffers[name])


def _first_not_finite(model: nn.Module, seen: dict[str, Tensor], loss_dict: dict[str, Tensor]) -> str:
    for name, tensor in seen.items():
        if not _finite(tensor):
            return f"{name} is the first that is not finite"
    for name, loss in loss_dict.items():
        if not _finite(loss):
            return f"all predictions are finite, but {name} is {loss.item():g}"
    sum(loss_dict.values()).backward()
    gradients = {n: t.grad for n, t in [*seen.items(), *model.named_parameters()]}
    bad = [n for n, grad in gradients.items() if grad is not None and not _finite(grad)]
    return f"all losses are finite, but the gradient of {bad[0]} is not" if bad else "repeated, the step is finite"


@contextmanager
def _watch(model: nn.Module) -> Iterator[dict[str, Tensor]]:
    """Collect features and predictions of every level in the order of their computation."""
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

    watched = ((getattr(model, "backbone", None), features), (getattr(model, "head", None), predictions))
    handles = [part.register_forward_hook(hook) for part, hook in watched if part is not None]
    try:
        yield seen
    finally:
        for handle in handles:
            handle.remove()


def _finite(tensor: Tensor) -> bool:
    return not tensor.is_floating_point() or bool(tensor.isfinite().all())
