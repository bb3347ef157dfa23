"""Reads values of a config for the checks, with defaults for missing keys."""

import re
from collections.abc import Iterator
from typing import Any

from detectron2.config import instantiate
from omegaconf import DictConfig, OmegaConf

from ....config.calls import is_call, target_of
from ....config.walk import leaves

_REFERENCE = re.compile(r"\$\{(?:oc\.select:)?([A-Za-z_]\w*(?:\.\w+)*)")  # absolute, not ${.relative}


def setting(cfg: DictConfig, key: str, default: Any = None) -> Any:
    """The value of a dotted key, as plain lists and dicts; `default` if the config has none or it cannot be resolved.

    A LazyCall is instantiated.
    """
    try:
        value = OmegaConf.select(cfg, key)
        value = instantiate(value) if is_call(value) else value
    except Exception:  # building the config reports missing and refused keys
        return default
    if value is None:
        return default
    return OmegaConf.to_container(value, resolve=True) if OmegaConf.is_config(value) else value


def class_of(cfg: DictConfig, key: str) -> str:
    """Name of the class or function that the LazyCall at `key` calls; empty if there is none."""
    node = OmegaConf.select(cfg, key, default=None)
    return getattr(target_of(node), "__name__", "") if is_call(node) else ""


def batch_size(cfg: DictConfig) -> int:
    """Images per update of the weights."""
    return int(setting(cfg, "dataloader.train.total_batch_size", 16))


def references(cfg: DictConfig) -> set[str]:
    """Dotted keys that interpolations anywhere in the config refer to."""
    texts = (str(value) for _, value in leaves(_raw(cfg), into_lists=True))
    return {match for text in texts for match in _REFERENCE.findall(text)}


def unread_keys(cfg: DictConfig, section: str) -> Iterator[tuple[str, Any]]:
    """Dotted keys of a section that no interpolation refers to, with their values."""
    named = references(cfg)
    for key, value in leaves({section: _raw(cfg)[section]}):
        if not any(_is_within(key, name) or _is_within(name, key) for name in named):
            yield key, value


def _is_within(key: str, parent: str) -> bool:
    return f"{key}.".startswith(f"{parent}.")


def _raw(cfg: DictConfig) -> dict[str, Any]:
    return OmegaConf.to_container(cfg, resolve=False)
