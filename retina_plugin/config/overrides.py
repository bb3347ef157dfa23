"""Overrides of a config: `key=value` in Hydra's grammar, checked against the config."""

import functools
import re
from pathlib import Path
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf

from .calls import argument_names, is_call
from .check import check_kind
from .errors import ConfigError, nearest

_RENAMED = {"dials": "settings"}  # current name of a key by its former name


def apply_override(cfg: DictConfig, override: str) -> None:
    """Change `cfg` in place by one `key=value`; `+key=value` adds a key.

    Raises ConfigError if the override cannot be parsed, names no key of the config, or has a value of another type.
    """
    key, equals, text = override.partition("=")
    if not re.fullmatch(r"\+?[\w.\-]+", key) or not equals:
        raise ConfigError(f"{override!r} is not a valid override: write key=value, such as train.max_iter=100")
    add, key, value = key.startswith("+"), key.lstrip("+"), _parse(text)
    _check_key(cfg, key, value, add)
    parent, _, last = key.rpartition(".")
    node = OmegaConf.select(cfg, parent)  # if the parent is an interpolation, the node that it refers to
    node, key_in_node = (node, last) if isinstance(node, DictConfig) else (cfg, key)
    # a mapping is merged into the old value, anything else replaces it
    OmegaConf.update(node, key_in_node, value, merge=isinstance(value, dict), force_add=add)
    _check_interpolation(cfg, key, value)


def read_overrides(where: str, overrides: Any) -> tuple[str, ...]:
    """Overrides `key=value` from a file; ConfigError, with `where` as the place, if they are no such list."""
    is_list = isinstance(overrides, list | tuple)
    if not is_list or not all(isinstance(x, str) and "=" in x for x in overrides):
        raise ConfigError(f"{where} must be a list of key=value, such as ['train.max_iter=300'], got {overrides!r}")
    return tuple(overrides)


def quoted(path: str | Path) -> str:
    """A path as the value of an override, whatever characters it has."""
    text = re.sub(r"\\+(?='|\Z)", lambda slashes: slashes[0] * 2, str(path))
    return "'{}'".format(text.replace("'", r"\'"))


def _parse(text: str) -> Any:
    """A value in Hydra's grammar, as in Detectron2; a path that this grammar does not allow is a string."""
    try:
        return _parsed(f"key={text}").value()
    except HydraException as e:
        if text[:1] in "[{'\"":
            raise ConfigError(f"{text!r} cannot be parsed as a value: {e}") from e
        return text


@functools.lru_cache(maxsize=256)
def _parsed(override: str) -> Override:
    """Cached: parsing takes milliseconds, and runs of a study share overrides; `value()` gives a copy."""
    return OverridesParser.create().parse_override(override)


def _check_key(cfg: DictConfig, key: str, value: Any, add: bool) -> None:
    """Check that `key` is in the config or is an argument of a LazyCall, and that `value` is of the same kind."""
    *parents, last = key.split(".")
    node, path = cfg, ""
    for parent in parents:
        _require(node, parent, path)
        path = f"{path}.{parent}".lstrip(".")
        node = OmegaConf.select(cfg, path)
        if not OmegaConf.is_config(node):
            raise ConfigError(f"override {key}: {path} is {node!r} and has no keys below it")
    if not OmegaConf.is_dict(node) or last in node:
        check_kind(node, last, key, value)
    elif not add:
        _require(node, last, path)


def _require(node: Any, key: str, path: str) -> None:
    if OmegaConf.is_list(node) and key.isdigit() and int(key) < len(node):
        return
    full_key = f"{path}.{key}".lstrip(".")
    allowed = set(node) if OmegaConf.is_dict(node) else set()
    if key not in allowed and _RENAMED.get(key) in allowed:
        raise ConfigError(f"override key {full_key} is now called {path}.{_RENAMED[key]}")
    if is_call(node):
        if (arguments := argument_names(node)) is None:
            return
        allowed |= arguments
    if key not in allowed:
        raise ConfigError(f"override key {full_key} is unknown{nearest(key, allowed - {'_target_'})}")


def _check_interpolation(cfg: DictConfig, key: str, value: Any) -> None:
    """Check that an interpolation such as "${losses.focal}" refers to a key of the config."""
    match = re.fullmatch(r"\$\{(\w[\w.\-]*)\}", value) if isinstance(value, str) else None
    if match is None:
        return
    parent, _, last = match[1].rpartition(".")
    node = OmegaConf.select(cfg, parent, default=None)
    keys = map(str, range(len(node)) if OmegaConf.is_list(node) else node or ()) if OmegaConf.is_config(node) else ()
    if last not in (known := set(keys)):  # an existing key is enough: its value may be null or missing (???)
        near = nearest(last, known) if known else ""
        raise ConfigError(f"override {key}={value}: the config has no {match[1]}{near}")
