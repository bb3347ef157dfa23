"""Configs as YAML files, which hold classes and functions by their names and call nothing when they are read."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import yaml
from detectron2.utils.registry import locate
from omegaconf import DictConfig, OmegaConf

from ..files import written_in_full
from .errors import ConfigError
from .moved import current_name
from .walk import as_text


def save_config(cfg: DictConfig, path: Path) -> None:
    """Write a config for `load_config`, with its keys in their order.

    Parts are built in the order of the keys, and each draws its initial weights when it is built. Detectron2's
    LazyConfig.save sorts the keys, so the same seed would give other initial weights.
    Raises OSError if the file cannot be written, yaml.YAMLError for a value that YAML cannot hold.
    """
    content = _with_targets(OmegaConf.to_container(cfg, resolve=False), as_text)
    text = yaml.dump(content, sort_keys=False, allow_unicode=True, width=9999)
    with written_in_full(path) as partial:
        partial.write_text(text, encoding="utf-8")


def read_yaml(path: Path) -> DictConfig:
    """A config of plain values, tuples, and names of classes and functions; ConfigError if there is anything else."""
    try:
        content = yaml.load(path.read_text(encoding="utf-8"), _Loader)
    except yaml.constructor.ConstructorError as e:
        line = e.problem_mark.line + 1 if e.problem_mark else "?"
        raise ConfigError(f"config {path}, line {line} is not a plain value: {e.problem}") from e
    if not isinstance(content, dict):
        raise ConfigError(f"config {path} holds no mapping of keys")
    return OmegaConf.create(_with_targets(content, current_name), flags={"allow_objects": True})


class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):
    """Calls nothing; the name of a class or function is looked up like a `_target_`, which imports its module."""


_Loader.add_constructor("tag:yaml.org,2002:python/tuple", lambda loader, node: tuple(loader.construct_sequence(node)))
_Loader.add_multi_constructor("tag:yaml.org,2002:python/name:", lambda loader, name, node: locate(current_name(name)))


def _with_targets(node: Any, change: Callable[[Any], str]) -> Any:
    """Nested values with every `_target_` changed."""
    if isinstance(node, list):
        return [_with_targets(value, change) for value in node]
    if not isinstance(node, dict):
        return node
    return {key: change(value) if key == "_target_" else _with_targets(value, change) for key, value in node.items()}
