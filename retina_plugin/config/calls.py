"""LazyCalls in a config: mappings with a `_target_` and the arguments for it."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

from detectron2.utils.registry import locate
from omegaconf import OmegaConf

from .errors import ConfigError

__all__ = ["argument_names", "is_call", "takes_argument", "target_of"]


def is_call(node: Any) -> bool:
    """Whether a value of a config is a LazyCall."""
    return (OmegaConf.is_dict(node) or isinstance(node, Mapping)) and "_target_" in node


def target_of(call: Mapping[str, Any]) -> Any:
    """The class or function that a LazyCall calls.

    Raises:
        ConfigError: if it cannot be imported or cannot be called.
    """
    target = call["_target_"]
    if isinstance(target, str):
        try:
            target = locate(target)
        except Exception as e:
            raise ConfigError(f"config names {target!r}, which cannot be imported: {e}") from e
    if not callable(target):
        raise ConfigError(f"config names {call['_target_']!r}, which cannot be called")
    return target


def argument_names(call: Mapping[str, Any]) -> set[str] | None:
    """Names of the arguments that a LazyCall's target takes; None if it takes any.

    Raises:
        ConfigError: as `target_of`.
    """
    parameters = _parameters(call)
    if parameters is None or any(p.kind is p.VAR_KEYWORD for p in parameters.values()):
        return None
    return set(parameters)


def takes_argument(call: Mapping[str, Any], name: str) -> bool:
    """Whether a LazyCall's target has a parameter of this name.

    Raises:
        ConfigError: as `target_of`.
    """
    return name in (_parameters(call) or {})


def _parameters(call: Mapping[str, Any]) -> Mapping[str, inspect.Parameter] | None:
    target = target_of(call)
    try:
        return inspect.signature(target).parameters
    except (TypeError, ValueError):  # a function that is not written in Python
        return None
