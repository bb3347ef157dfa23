"""Strict checks of lazy configs: unknown keys, and values of another kind than the old value."""

import inspect
from collections.abc import Mapping
from types import UnionType
from typing import Any, Literal, Union, get_args, get_origin

from omegaconf import DictConfig, ListConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from .calls import argument_names, is_call, parameters_of, target_of
from .errors import ConfigError, nearest
from .walk import mappings

_ONE_OR_SEVERAL = ({"a float", "a list"}, {"a string", "a list"})
_NAMES = {bool: "a boolean", int: "an integer", float: "a float", str: "a string"}


def check_config(cfg: DictConfig, known_train: DictConfig) -> None:
    """Raise ConfigError if `train` has a key not in `known_train`, or a LazyCall an argument that its target lacks."""
    if "train" in cfg:
        _check_known(cfg.train, known_train, "train")
    for path, node in mappings(OmegaConf.to_container(cfg, resolve=False)):
        allowed = argument_names(node) if is_call(node) else None
        for key in node:
            if allowed is not None and key not in allowed and key != "_target_":
                raise ConfigError(f"config key {path}.{key} is unknown{nearest(key, allowed)}")


def check_kind(node: Any, key: str, full_key: str, value: Any) -> None:
    """Raise ConfigError if `value` cannot replace `node[key]`, which messages call `full_key`.

    A missing value or None can be replaced by any value, and any value by an interpolation. None can replace a value
    unless that is an argument, no string, whose annotation excludes None. A LazyCall can be replaced by any value, but
    not by a string if its target is a class. An argument whose annotation is a union with a `Literal` may also hold the
    strings of that `Literal`; an integer whose annotation has float may become a float.
    """
    if key == "_target_":
        target_of({"_target_": value})  # `check_config` checks the arguments
        return
    try:
        old = node[int(key) if OmegaConf.is_list(node) else key]
    except (OmegaConfBaseException, ValueError):
        return  # missing (???), or an interpolation of a missing key
    if old is None or (isinstance(value, str) and "${" in value):
        return
    if value is None:
        if not isinstance(old, str) and not _may_be_none(node, key):  # norm=null is Detectron2's "no norm"
            raise ConfigError(f"{full_key}=null: the key holds {_kind(old)} and needs a value")
        return
    if not is_call(old):
        types = _annotated_types(node, key)
        words = tuple(word for kind in types if get_origin(kind) is Literal for word in get_args(kind))
        if words and isinstance(value, str) and value not in words:
            choices = " or ".join(repr(word) for word in words)
            raise ConfigError(f"{full_key}={value!r}: the key holds a number or {choices}, not another string")
        is_free = value in words or (old in words and not isinstance(value, str))  # the target itself checks the number
        is_free |= float in types and type(old) is int and type(value) is float
        if not is_free and not _fits(_kind(old), _kind(value), is_argument=is_call(node)):
            raise ConfigError(f"{full_key}={value!r}: the key holds {_kind(old)} ({old}), not {_kind(value)}")
    elif isinstance(value, str) and inspect.isclass(target_of(old)):
        raise ConfigError(
            f"{full_key}={value!r}: the key holds an object of class {target_of(old).__name__}, not a string; refer to "
            f"another object by its place in the config, such as {full_key}='${{losses.{value}}}'"
        )


def _check_known(node: Any, known: DictConfig, path: str) -> None:
    if not isinstance(node, Mapping):
        raise ConfigError(f"config key {path} must be a mapping of {', '.join(known)}, got {node!r}")
    for key in node:
        if key not in known:
            raise ConfigError(f"config key {path}.{key} is unknown{nearest(key, known)}")
        if not OmegaConf.is_interpolation(node, key):
            check_kind(known, key, f"{path}.{key}", node[key])
        if OmegaConf.is_dict(known[key]):
            _check_known(node[key], known[key], f"{path}.{key}")


def _annotated_types(node: Any, key: str) -> tuple[Any, ...]:
    """The type, or members of the union, by which the target of a LazyCall annotates an argument."""
    parameters = (parameters_of(node) or {}) if is_call(node) else {}
    annotation = parameters[key].annotation if key in parameters else Any
    return get_args(annotation) if get_origin(annotation) in (Union, UnionType) else (annotation,)


def _may_be_none(node: Any, key: str) -> bool:
    """Whether a value may be None: always, except for an argument whose annotation says otherwise."""
    parameters = (parameters_of(node) or {}) if is_call(node) else {}
    types = _annotated_types(node, key)
    says_nothing = key not in parameters or any(isinstance(kind, str) for kind in types)
    free = {Any, object, type(None), inspect.Parameter.empty}
    return says_nothing or not free.isdisjoint(types) or parameters[key].default is None


def _fits(old: str, new: str, is_argument: bool) -> bool:
    one_or_several = is_argument and {old, new} in _ONE_OR_SEVERAL  # the target itself checks the value
    return old == new or (old, new) == ("a float", "an integer") or one_or_several


def _kind(value: Any) -> str:
    if isinstance(value, Mapping):
        return "a mapping"
    if isinstance(value, ListConfig | list | tuple):
        return "a list"
    return _NAMES.get(type(value), type(value).__name__)
