"""Whether a new value of a config key is of the same kind as the old one."""

from __future__ import annotations

import inspect
from typing import Any

from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from .calls import is_call, target_of
from .errors import ConfigError

__all__ = ["check_kind"]

_ONE_OR_SEVERAL = ({"a float", "a list"}, {"a string", "a list"})
_NAMES = {bool: "a boolean", int: "an integer", float: "a float", str: "a string"}


def check_kind(node: Any, key: str, full_key: str, value: Any) -> None:
    """Check that `value` can replace `node[key]`, called `full_key` in messages.

    Any value can replace a missing one, None, an interpolation, or a LazyCall unless it is the name of a class.

    Raises:
        ConfigError: naming both values.
    """
    if key == "_target_":
        target_of({"_target_": value})  # `check_config` checks the arguments
        return
    try:
        old = node[int(key) if OmegaConf.is_list(node) else key]
    except (OmegaConfBaseException, ValueError):
        return  # missing (???), or an interpolation of a missing key
    if old is None or value is None or (isinstance(value, str) and "${" in value):
        return
    if is_call(old):
        _check_replaces_call(old, full_key, value)
    elif not _fits(_kind(old), _kind(value), is_argument=is_call(node)):
        raise ConfigError(f"{full_key}={value!r}: the key holds {_kind(old)} ({old}), not {_kind(value)}")


def _check_replaces_call(old: Any, full_key: str, value: Any) -> None:
    if isinstance(value, str) and inspect.isclass(target_of(old)):
        raise ConfigError(
            f"{full_key}={value!r}: the key holds an object of class {target_of(old).__name__}, not a string; refer to "
            f"another object by its place in the config, such as {full_key}='${{losses.{value}}}'"
        )


def _fits(old: str, new: str, is_argument: bool) -> bool:
    one_or_several = is_argument and {old, new} in _ONE_OR_SEVERAL  # the target checks it
    return old == new or (old, new) == ("a float", "an integer") or one_or_several


def _kind(value: Any) -> str:
    if OmegaConf.is_dict(value) or isinstance(value, dict):
        return "a mapping"
    if OmegaConf.is_list(value) or isinstance(value, list | tuple):
        return "a list"
    return _NAMES.get(type(value), type(value).__name__)
