"""A trained detector made faster: the same call, the same detections up to rounding."""

from __future__ import annotations

import copy
from typing import Literal

import torch
from torch import nn

from ..modeling import PluggableRetinaNet
from .fast import FastInference
from .folding import fold_norms

DTYPES = ("auto", "float32", "bfloat16")


def optimize_for_inference(model: nn.Module, dtype: Literal["auto", "float32", "bfloat16"] = "auto") -> nn.Module:
    """A copy of a detector that detects faster; `model` stays as it is, and later changes of it do not count.

    Normalization is folded into convolutions, memory is laid out with channels last, scores and boxes are computed for
    candidates only (see `selective` for the box tower), and suppression ends once enough detections are left. In
    float32 detections are those of `model` up to rounding; of equal scores, others may be taken. "bfloat16" computes
    backbone and head in that format, scores and boxes in float32; "auto" does so where the processor has instructions
    for it, and is float32 elsewhere.

    A detector that is not a PluggableRetinaNet, or overrides its inference, is returned as it is.

    Raises:
        ValueError: for another `dtype`.
    """
    if dtype not in DTYPES:
        raise ValueError(f"dtype must be one of {list(DTYPES)}, got {dtype!r}")
    if not isinstance(model, PluggableRetinaNet) or _overrides_inference(model):
        return model
    model = copy.deepcopy(model).eval()
    half = dtype == "bfloat16" or (dtype == "auto" and has_bfloat16(model.device))
    fold_norms(model)
    for part in (model.backbone, model.head):
        part.to(dtype=torch.bfloat16 if half else torch.float32, memory_format=torch.channels_last)
    model.__class__ = type(f"Fast{type(model).__name__}", (FastInference, type(model)), {})
    return model.requires_grad_(False)


def has_bfloat16(device: torch.device) -> bool:
    """Whether a device multiplies in bfloat16 by instructions of its own."""
    if device.type == "cuda":
        return torch.cuda.is_bf16_supported(including_emulation=False)
    supports = getattr(torch.cpu, "_is_avx512_bf16_supported", lambda: False)
    return device.type == "cpu" and supports()


def _overrides_inference(model: PluggableRetinaNet) -> bool:
    own, known = type(model), PluggableRetinaNet
    names = ("forward", "forward_inference", "inference_single_image", "_decode_per_level_predictions")
    return any(getattr(own, name) is not getattr(known, name) for name in names)
