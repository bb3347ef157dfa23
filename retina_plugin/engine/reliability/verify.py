"""Compare two runs bit by bit."""

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ...config.walk import leaves
from ...run_folder import FINAL_CHECKPOINT, read_metrics
from ..hooks.metrics_state import TIMES


def first_difference(one: str | Path, other: str | Path) -> str:
    """The first difference between two finished runs in weights, optimizer, averages, schedule or metrics.

    An empty string if there is none. Times and peak memory are not compared.
    """
    ours, theirs = (_state(Path(run, FINAL_CHECKPOINT)) for run in (one, other))
    for key in {**ours, **theirs}:
        if key not in ours or key not in theirs:
            return f"{key} is in the checkpoint of one run only"
        if not _same(ours[key], theirs[key]):
            return f"{key} of the checkpoints: {_describe(ours[key], theirs[key])}"
    our_metrics, their_metrics = _metrics(one), _metrics(other)
    if len(our_metrics) != len(their_metrics):
        return f"metrics.json has {len(our_metrics)} and {len(their_metrics)} lines"
    for ours, theirs in zip(our_metrics, their_metrics, strict=True):
        if ours != theirs:
            return f"metrics of iteration {ours['iteration']}: {ours} and {theirs}"
    return ""


def _state(path: Path) -> dict[str, Any]:
    content = leaves(torch.load(path, weights_only=True), into_lists=True)
    return {key: value for key, value in content if not set(key.split(".")).intersection(TIMES)}


def _same(one: Any, other: Any) -> bool:
    if isinstance(one, Tensor) and isinstance(other, Tensor):
        ours, theirs = (tensor.contiguous().reshape(-1).view(torch.uint8) for tensor in (one, other))
        return one.dtype == other.dtype and one.shape == other.shape and torch.equal(ours, theirs)
    return type(one) is type(other) and repr(one) == repr(other)


def _describe(one: Any, other: Any) -> str:
    if not isinstance(one, Tensor) or one.shape != other.shape:
        return f"{one} and {other}"
    apart = (one.double() - other.double()).abs()
    return f"{int((apart > 0).sum())} of {one.numel()} values, by up to {apart.max().item():.3g}"


def _metrics(run_dir: str | Path) -> list[dict[str, Any]]:
    return [{k: v for k, v in line.items() if k not in TIMES} for line in read_metrics(run_dir)]
