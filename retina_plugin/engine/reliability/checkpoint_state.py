"""Checks whether a training can continue from the state in a checkpoint."""

import math
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from torch import Tensor
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

from ...printable import shown

_LAST_ITERATION = 2**40
_LONGEST_NAME = 200
_METHODS = [name for name in dir(LRScheduler) if callable(getattr(LRScheduler, name))]
_NOT_STATE = frozenset([*_METHODS, "optimizer", "_multiplier", "_max_iter"])
_ELEMENTWISE = ("momentum_buffer", "exp_avg", "exp_avg_sq", "max_exp_avg_sq", "square_avg", "grad_avg")


def inconsistencies(content: Mapping[str, Any], optimizer: Optimizer | None = None) -> Iterator[str]:
    """Yield one phrase per fault in the content of a run's checkpoint. Absent parts are not faults.

    Values that fit another model or another config are not faults either. `optimizer` is the optimizer that will load
    the saved state.
    """
    if "iteration" in content and not _is_count(content["iteration"]):
        yield f"iteration is {shown(content['iteration'])}"
    for name in ("trainer", "run", "ema"):
        if name in content and not isinstance(content[name], dict):
            yield f"{name} is {_kind(content[name])}, not a mapping"
        elif name in content:
            yield from (f"{name}.{wrong}" for wrong in _PARTS[name](content[name], optimizer))


def is_averaged(content: Mapping[str, Any]) -> bool:
    """Whether a checkpoint holds averaged weights as a run with `train.ema_decay` writes them."""
    return "ema" in content and next(inconsistencies({"ema": content["ema"]}), None) is None


def _trainer(state: dict[str, Any], optimizer: Optimizer | None) -> Iterator[str]:
    if not _is_count(state.get("iteration")):
        yield f"iteration is {shown(state.get('iteration'))}"
    hooks = state.get("hooks", {})
    if not isinstance(hooks, dict):
        yield f"hooks is {_kind(hooks)}, not a mapping"
    else:
        yield from (f"hooks.{wrong}" for wrong in _hooks(hooks))
    if not isinstance(saved := state.get("optimizer"), dict):
        yield f"optimizer is {_kind(saved)}, not a mapping"
    elif optimizer is not None:
        yield from (f"optimizer.{wrong}" for wrong in _optimizer(saved, optimizer))
    scaler = state.get("grad_scaler", {})
    if not isinstance(scaler, dict) or not all(map(_is_number, scaler.values())):
        yield "grad_scaler is not a mapping of numbers"


def _hooks(states: dict[Any, Any]) -> Iterator[str]:
    """Faults in the states of hooks. States of unknown hooks are checked only for their form."""
    for name, state in states.items():
        if not _is_name(name):
            yield f"{shown(name)} is not the name of a hook"
        elif not isinstance(state, dict) or not all(isinstance(key, str) for key in state):
            yield f"{name} is {_kind(state)}, not a mapping of names"
        elif (is_right := _HOOKS.get(name.partition("#")[0])) and not is_right(state):
            yield f"{name} has values of other types"


def _is_schedule(state: dict[str, Any]) -> bool:
    """Whether a scheduler can load it. PyTorch's schedulers turn every entry into an attribute, even over a method."""
    lrs, epoch = state.get("base_lrs", []), state.get("last_epoch", 0)
    return isinstance(lrs, list) and all(map(_is_number, [*lrs, epoch])) and not _NOT_STATE.intersection(state)


def _is_best(state: dict[str, Any]) -> bool:
    best, iteration, stale = (state.get(key) for key in ("best", "iteration", "stale"))
    return all(value is None or _is_number(value) for value in (best, iteration, stale))


def _is_metrics(state: dict[str, Any]) -> bool:
    scalars = state.get("scalars", {})
    written = state.get("last_write", -1)
    return (
        isinstance(scalars, dict) and (written == -1 or _is_count(written)) and all(map(_is_history, scalars.items()))
    )


def _is_history(item: tuple[Any, Any]) -> bool:
    name, known = item
    if not _is_name(name) or not isinstance(known, dict) or not isinstance(known.get("smooth"), bool):
        return False
    values = known.get("values")
    return isinstance(values, list) and bool(values) and all(map(_is_value_of_iteration, values))


def _is_value_of_iteration(pair: Any) -> bool:
    return isinstance(pair, list) and len(pair) == 2 and isinstance(pair[0], int | float) and _is_count(pair[1])


def _optimizer(saved: dict[str, Any], optimizer: Optimizer) -> Iterator[str]:
    groups, state = saved.get("param_groups"), saved.get("state")
    if not isinstance(groups, list) or not all(isinstance(group, dict) for group in groups):
        yield "param_groups is not a list of mappings"
    elif not isinstance(state, dict) or not all(isinstance(entry, dict) for entry in state.values()):
        yield "state is not a mapping of mappings"
    else:
        for ours, theirs in zip(optimizer.param_groups, groups, strict=False):
            yield from _group(ours, theirs)
        yield from _buffers(saved, optimizer)


def _group(ours: dict[str, Any], theirs: dict[str, Any]) -> Iterator[str]:
    """Entries of a saved parameter group that do not fit the group `ours` of this run's optimizer."""
    params = theirs.get("params")
    if not isinstance(params, list) or not all(type(index) is int for index in params):
        yield "param_groups.params is not a list of numbers"
    for key, value in ours.items():
        if key != "params" and key in theirs and not _like(value, theirs[key]):
            yield f"param_groups.{key} is {shown(theirs[key])}"


def _buffers(saved: dict[str, Any], optimizer: Optimizer) -> Iterator[str]:
    """Optimizer state that does not fit its parameter, such as moments of another shape."""
    indices = [index for group in saved["param_groups"] for index in group.get("params") or []]
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    if len(indices) != len(parameters):
        return  # the checkpoint belongs to another model
    for index, parameter in zip(indices, parameters, strict=True):
        for name, value in saved["state"].get(index, {}).items():
            fits = not isinstance(value, Tensor) or value.shape == parameter.shape
            if name == "step" and not (_is_number(value) or (isinstance(value, Tensor) and value.numel() == 1)):
                yield f"state.{index}.step is {_kind(value)}"
            if name in _ELEMENTWISE and not (fits and isinstance(value, Tensor | None)):
                yield f"state.{index}.{name} is {_kind(value)}, which does not fit its parameter"


def _like(ours: Any, theirs: Any) -> bool:
    """Whether the value `theirs` fits a setting that is now `ours`; a bool or None may replace any other type."""
    if isinstance(ours, tuple | list):
        return isinstance(theirs, tuple | list) and len(ours) == len(theirs) and all(map(_like, ours, theirs))
    if isinstance(ours, int | float | Tensor) and not isinstance(ours, bool):
        return _is_number(theirs) or (isinstance(theirs, Tensor) and theirs.numel() == 1)
    return (
        isinstance(theirs, str | int | float | None) if ours is None else isinstance(theirs, type(ours) | bool | None)
    )


def _run(state: dict[str, Any], _: Any) -> Iterator[str]:
    config = state.get("config")
    if not isinstance(config, dict) or not all(isinstance(part, str) for item in config.items() for part in item):
        yield "config is not a mapping of strings"
    if not isinstance(state.get("data"), str):
        yield f"data is {_kind(state.get('data'))}, not a string"


def _ema(state: dict[str, Any], _: Any) -> Iterator[str]:
    if not _is_count(state.get("steps")):
        yield f"steps is {shown(state.get('steps'))}"
    model = state.get("model")
    if not isinstance(model, dict) or not all(isinstance(value, Tensor) for value in model.values()):
        yield "model is not a mapping of tensors"


def _is_count(value: Any) -> bool:
    return type(value) is int and 0 <= value < _LAST_ITERATION


def _is_name(value: Any) -> bool:
    return isinstance(value, str) and value.isprintable() and len(value) <= _LONGEST_NAME


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float | np.floating) and math.isfinite(value)


def _kind(value: Any) -> str:
    return "absent" if value is None else f"of type {type(value).__name__}"


_PARTS = {"trainer": _trainer, "run": _run, "ema": _ema}
_HOOKS = {
    "LRScheduler": _is_schedule,
    "BestCheckpointer": _is_best,
    **dict.fromkeys(("MetricsState", "MetricsMemory"), _is_metrics),
}
