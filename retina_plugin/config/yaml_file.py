"""Configs as YAML files, which hold classes and functions by name; reading them calls nothing."""

import functools
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import yaml
from omegaconf import DictConfig, OmegaConf

from ..files import write_text
from ..printable import shown
from .errors import ConfigError
from .moved import current_name
from .untrusted import EVERYTHING, check_values, locate_admitted
from .walk import as_text, mappings


def save_config(cfg: DictConfig, path: Path) -> None:
    """Write a config for `load_config`, with its keys in their order.

    Parts are built in the order of the keys, and each draws its initial weights when it is built. Detectron2's
    LazyConfig.save sorts the keys, so the same seed would give other initial weights.
    Raises OSError if the file cannot be written, yaml.YAMLError for a value that YAML cannot hold.
    """
    content = _with_targets(OmegaConf.to_container(cfg, resolve=False), as_text)
    write_text(path, yaml.dump(content, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=9999))


def read_yaml(path: Path, trust: Sequence[str]) -> DictConfig:
    """A config of plain values, tuples, and names of classes and functions.

    `trust` names modules whose classes and functions the file may use besides parts of detectors; see `untrusted.py`.

    Raises:
        ConfigError: if it holds anything else, or is nested too deeply or too large.
    """
    text = path.read_text(encoding="utf-8")
    try:
        _check_size(text)
        content = yaml.load(text, functools.partial(_Loader, trust=trust))
    except yaml.constructor.ConstructorError as e:
        line = e.problem_mark.line + 1 if e.problem_mark else "?"
        raise ConfigError(f"line {line} is not a plain value: {shown(e.problem)}") from e
    if not isinstance(content, dict):
        raise ConfigError("it holds no mapping of keys")
    cfg = OmegaConf.create(_with_targets(content, current_name), flags={"allow_objects": True})
    if EVERYTHING[0] not in trust:
        _check_untrusted(cfg, trust)
    return cfg


def _check_untrusted(cfg: DictConfig, trust: Sequence[str]) -> None:
    for _, node in mappings(OmegaConf.to_container(cfg, resolve=False)):
        if "_target_" in node and not callable(node["_target_"]):
            locate_admitted(node["_target_"], trust)
    check_values(cfg)


def _check_size(text: str) -> None:
    """Raise ConfigError for a text with too many values after expanding aliases, or with too deep nesting."""
    sizes, size_of_anchor, names = [0], {}, [""]
    for event in yaml.parse(text, _BaseLoader):
        if isinstance(event, yaml.AliasEvent):
            sizes[-1] += size_of_anchor.get(event.anchor, _MOST_NODES)  # an anchor that contains itself has no size yet
        elif isinstance(event, yaml.CollectionEndEvent):
            size, name = sizes.pop(), names.pop()
            size_of_anchor[name] = size
            sizes[-1] += size
        elif isinstance(event, yaml.NodeEvent):
            sizes[-1] += 1
            if isinstance(event, yaml.CollectionStartEvent):
                sizes.append(0)
                names.append(event.anchor)
            else:
                size_of_anchor[event.anchor] = 1
        if len(sizes) > _DEEPEST or sizes[-1] > _MOST_NODES:
            raise ConfigError(f"it is nested over {_DEEPEST} deep, or holds over {_MOST_NODES} values with its aliases")


_BaseLoader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_DEEPEST, _MOST_NODES = 100, 100_000


class _Dumper(getattr(yaml, "CDumper", yaml.Dumper)):
    """PyYAML's, which stays as it is for others."""


class _Loader(_BaseLoader):
    """Calls nothing; names of classes and functions are looked up, which imports their modules."""

    def __init__(self, stream: str, trust: Sequence[str]) -> None:
        super().__init__(stream)
        self.trust = trust


_Loader.add_constructor("tag:yaml.org,2002:python/tuple", lambda loader, node: tuple(loader.construct_sequence(node)))
_Loader.add_multi_constructor(
    "tag:yaml.org,2002:python/name:", lambda loader, name, node: locate_admitted(name, loader.trust)
)
_PARTIAL = "tag:yaml.org,2002:python/object/apply:functools.partial"


def _write_partial(dumper: yaml.Dumper, value: functools.partial) -> yaml.Node:
    return dumper.represent_mapping(_PARTIAL, {"args": [value.func, *value.args], "kwds": value.keywords})


def _read_partial(loader: "_Loader", node: yaml.Node) -> functools.partial:
    """A partial as `save_config` writes it, or as PyYAML and so Detectron2 does. Calls nothing."""
    if not isinstance(node, yaml.MappingNode):
        raise ConfigError("a functools.partial has no function")
    parts = loader.construct_mapping(node, deep=True)
    function, *args = parts.get("args") or [None]
    _, args, keywords, _ = parts.get("state", (function, args, parts.get("kwds", {}), None))
    if not callable(function):
        raise ConfigError(f"a functools.partial has {shown(function)} in place of a function")
    return functools.partial(function, *args, **keywords)


_Dumper.add_representer(functools.partial, _write_partial)
_Loader.add_constructor(_PARTIAL, _read_partial)


def _with_targets(node: Any, change: Callable[[Any], str]) -> Any:
    """Nested values with `change` applied to every `_target_`."""
    if isinstance(node, list):
        return [_with_targets(value, change) for value in node]
    if not isinstance(node, dict):
        return node
    return {key: change(value) if key == "_target_" else _with_targets(value, change) for key, value in node.items()}
