"""Strict checks of lazy configs: a key that nothing reads is an error with the nearest match."""

from __future__ import annotations

import difflib
import inspect
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from detectron2.utils.registry import locate
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

_ONE_OR_SEVERAL = ({"a float", "a list"}, {"a text", "a list"})


class ConfigError(ValueError):
    """A config or an override that cannot be used; the message names the key or the file."""


def check_config(cfg: DictConfig, known_train: DictConfig) -> None:
    """See that `train` has known keys only, and that every LazyCall's arguments are ones its target takes.

    Args:
        cfg: the config to check.
        known_train: every key that training reads.

    Raises:
        ConfigError: naming the first key that nothing takes, with the nearest one that something does.
    """
    if "train" in cfg:
        _check_known(cfg.train, known_train, "train")
    for path, node in _calls(cfg, ""):
        allowed = _parameters(node)
        for key in node:
            if allowed is not None and key not in allowed and key != "_target_":
                raise ConfigError(f"config key {path}.{key} is unknown{_nearest(key, allowed)}")


def check_override(cfg: DictConfig, key: str, value: Any, add: bool = False) -> None:
    """See that an override changes a key that is there, or an argument that a LazyCall takes, to a like value.

    Args:
        cfg: the config to override.
        key: dotted.
        value: the new value.
        add: allow a key that is not there.

    Raises:
        ConfigError: naming the key and the nearest one there is.
    """
    *parents, last = key.split(".")
    node, path = cfg, ""
    for parent in parents:
        _require(node, parent, path)
        path = f"{path}.{parent}".lstrip(".")
        node = OmegaConf.select(cfg, path)
        if not OmegaConf.is_config(node):
            raise ConfigError(f"override {key}: {path} is {node!r} and has no keys below it")
    if not OmegaConf.is_dict(node) or last in node:
        _check_type(node, last, key, value)
    elif not add:
        _require(node, last, path)


def check_leads_somewhere(cfg: DictConfig, key: str, value: Any) -> None:
    """See that an interpolation such as "${losses.focal}" names something.

    Raises:
        ConfigError: with the nearest name there is.
    """
    match = re.fullmatch(r"\$\{([\w.\-]+)\}", value) if isinstance(value, str) else None
    if match is None or OmegaConf.select(cfg, match[1], default=None) is not None:
        return
    parent, _, last = match[1].rpartition(".")
    there = OmegaConf.select(cfg, parent, default=None) if parent else cfg
    near = _nearest(last, set(there)) if OmegaConf.is_dict(there) else ""
    raise ConfigError(f"override {key}={value}: the config has no {match[1]}{near}")


def _require(node: Any, key: str, path: str) -> None:
    if OmegaConf.is_list(node) and key.isdigit() and int(key) < len(node):
        return
    allowed = set(node) if OmegaConf.is_dict(node) else set()
    if _is_call(node):
        parameters = _parameters(node)
        if parameters is None:
            return
        allowed |= parameters
    if key not in allowed:
        full = f"{path}.{key}".lstrip(".")
        raise ConfigError(f"override key {full} is unknown{_nearest(key, allowed - {'_target_'})}")


def _check_type(node: Any, key: str, full: str, value: Any) -> None:
    if key == "_target_":
        _target({"_target_": value})  # whether its arguments fit is for `check_config` to say
        return
    try:
        old = node[int(key) if OmegaConf.is_list(node) else key]
    except (OmegaConfBaseException, ValueError):
        return  # missing (???) or an interpolation that waits for other keys
    if old is None or value is None or (isinstance(value, str) and "${" in value):
        return
    if _kind(old) != _kind(value) and not (
        _kind(old) == "a float" and _kind(value) == "an integer"
    ):
        if _is_call(node) and {_kind(old), _kind(value)} in _ONE_OR_SEVERAL:
            return  # the part that takes it judges it
        if not _is_call(old):
            raise ConfigError(
                f"{full}={value!r}: the key holds {_kind(old)} ({old}), not {_kind(value)}"
            )
        if isinstance(value, str) and inspect.isclass(_target(old)):
            raise ConfigError(
                f"{full}={value!r}: the key holds a part, {_target(old).__name__}; name another one by "
                f"where it stands in the config, such as {full}='${{losses.{value}}}'"
            )


def _kind(value: Any) -> str:
    if OmegaConf.is_dict(value) or isinstance(value, dict):
        return "keys of its own"
    if OmegaConf.is_list(value) or isinstance(value, list | tuple):
        return "a list"
    names = {bool: "a boolean", int: "an integer", float: "a float", str: "a text"}
    return names.get(type(value), type(value).__name__)


def _check_known(node: DictConfig, known: DictConfig, path: str) -> None:
    for key in node:
        if key not in known:
            raise ConfigError(f"config key {path}.{key} is unknown{_nearest(key, known)}")
        if not OmegaConf.is_interpolation(node, key):
            _check_type(known, key, f"{path}.{key}", node[key])
        if OmegaConf.is_dict(known[key]):
            _check_known(node[key], known[key], f"{path}.{key}")


def _calls(node: Any, path: str) -> Iterator[tuple[str, DictConfig]]:
    """Every LazyCall of a config with its dotted path; nodes behind interpolations stand elsewhere."""
    if OmegaConf.is_dict(node):
        if _is_call(node):
            yield path, node
        keys: Iterable[Any] = list(node)
    elif OmegaConf.is_list(node):
        keys = range(len(node))
    else:
        return
    for key in keys:
        if not OmegaConf.is_interpolation(node, key) and not OmegaConf.is_missing(node, key):
            yield from _calls(node[key], f"{path}.{key}".lstrip("."))


def _parameters(call: DictConfig) -> set[str] | None:
    """Names of the arguments that a LazyCall's target takes; None if it takes any."""
    try:
        parameters = inspect.signature(_target(call)).parameters.values()
    except (TypeError, ValueError):
        return None
    if any(p.kind is p.VAR_KEYWORD for p in parameters):
        return None
    return {p.name for p in parameters}


def _is_call(node: Any) -> bool:
    return OmegaConf.is_dict(node) and "_target_" in node


def _target(call: Mapping[str, Any]) -> Any:
    target = call["_target_"]
    if isinstance(target, str):
        try:
            target = locate(target)
        except Exception as e:
            raise ConfigError(f"config names {target!r}, which cannot be imported: {e}") from e
    if not callable(target):
        raise ConfigError(f"config names {call['_target_']!r}, which is nothing to call")
    return target


def _nearest(key: str, allowed: Iterable[str]) -> str:
    near = difflib.get_close_matches(key, list(allowed), n=1, cutoff=0.5)
    return f"; did you mean {near[0]}?" if near else f"; there are {', '.join(sorted(allowed))}"
