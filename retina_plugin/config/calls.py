"""LazyCalls in a config: mappings with a `_target_` and the arguments for it."""

import functools
import inspect
from collections.abc import Callable, Mapping
from typing import Any

from detectron2.utils.registry import locate

from .errors import ConfigError


def is_call(node: Any) -> bool:
    """Whether a value of a config is a LazyCall."""
    return isinstance(node, Mapping) and "_target_" in node


def target_of(call: Mapping[str, Any]) -> Any:
    """The class or function that a LazyCall calls; ConfigError if it cannot be imported or called."""
    target = call["_target_"]
    if isinstance(target, str):
        try:
            target = locate(target)
        except Exception as e:
            raise ConfigError(f"config names {target!r}, which cannot be imported: {e}") from e
    if not callable(target):
        raise ConfigError(f"config names {call['_target_']!r}, which cannot be called")
    return target


def parameters_of(call: Mapping[str, Any]) -> Mapping[str, inspect.Parameter] | None:
    """Parameters of a LazyCall's target by name, None if it has no signature; raises like `target_of`."""
    target = target_of(call)
    try:
        return _signature(target).parameters
    except (TypeError, ValueError):  # a function that is not written in Python
        return None


@functools.lru_cache(maxsize=512)
def _signature(target: Callable[..., Any]) -> inspect.Signature:
    return inspect.signature(target)


def argument_names(call: Mapping[str, Any]) -> set[str] | None:
    """Names of the arguments of a LazyCall's target, None if it takes any or is unknown; raises like `target_of`."""
    parameters = parameters_of(call)
    if parameters is None or any(p.kind is p.VAR_KEYWORD for p in parameters.values()):
        return None
    return set(parameters)
