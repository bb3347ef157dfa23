"""Find the first value of a training step that is not finite."""

import copy
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

import torch
from detectron2.utils.events import EventStorage
from torch import Tensor, nn

from ...modeling.meta_arch import ForegroundAverage
from .precision import precision


def diagnose(model: nn.Module, batch: list[dict[str, Any]], dtype: torch.dtype | None = None) -> str:
    """Name the first image, weight, feature, prediction, loss or gradient of a training step that is not finite.

    Repeats the step, in mixed precision of `dtype` if given. Buffers and the CPU's random generator are restored
    afterwards; gradients are not.
    """
    images = [(f"image {inputs.get('file_name', '?')}", inputs["image"]) for inputs in batch]
    parameters = [(f"parameter {name}", parameter) for name, parameter in model.named_parameters()]
    if bad := _not_finite(images + parameters):
        return f"{bad[0]} is not finite"
    with _step(model, batch, dtype) as (seen, loss_dict):
        if bad := _not_finite(seen.items()):
            return f"{bad[0]} is the first that is not finite"
        if bad := _not_finite(loss_dict.items()):
            return f"all predictions are finite, but {bad[0]} is {loss_dict[bad[0]].item():g}"
        sum(loss_dict.values()).backward()
        gradients = [(name, t.grad) for name, t in [*seen.items(), *model.named_parameters()] if t.grad is not None]
    bad = _not_finite(gradients)
    return f"all losses are finite, but the gradient of {bad[0]} is not" if bad else "repeated, the step is finite"


def _not_finite(tensors: Iterable[tuple[str, Tensor]]) -> list[str]:
    """Names of the tensors with values that are not finite; integers always are."""
    return [name for name, tensor in tensors if tensor.is_floating_point() and not tensor.isfinite().all()]


def magnitudes(
    model: nn.Module, batch: list[dict[str, Any]], dtype: torch.dtype | None = None
) -> list[tuple[str, float, int]]:
    """Repeat a step; (name, largest absolute value, number of non-finite values) per feature, prediction and loss."""
    with _step(model, batch, dtype) as (seen, loss_dict):
        return [
            (name, tensor.detach().abs().max().item(), int((~tensor.isfinite()).sum()))
            for name, tensor in (seen | loss_dict).items()
        ]


@contextmanager
def _step(
    model: nn.Module, batch: list[dict[str, Any]], dtype: torch.dtype | None
) -> Iterator[tuple[dict[str, Tensor], dict[str, Tensor]]]:
    """Run a forward pass without other processes; yields features and predictions, and unnormalized losses, by name."""
    buffers = copy.deepcopy(dict(model.named_buffers()))
    device_type = next(model.parameters()).device.type
    average = ForegroundAverage.of(model)
    alone = nullcontext() if average is None else average.summing()
    try:
        with _watch(model) as seen, torch.random.fork_rng(devices=[]), EventStorage():
            model.zero_grad()
            with precision(device_type, dtype), alone:
                loss_dict = model(batch)
        yield seen, loss_dict
    finally:
        for name, buffer in model.named_buffers():
            buffer.copy_(buffers[name])


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
