"""Overrides of a config: `key=value` in Hydra's grammar, checked against the config."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf

from .check import ConfigError, check_leads_somewhere, check_override

__all__ = ["apply_override", "quoted"]


def apply_override(cfg: DictConfig, override: str) -> None:
    """Change `cfg` in place as one `key=value` says; `+key=value` adds a key.

    Raises:
        ConfigError: if the override cannot be parsed, names no key of the config, or has a value of another type.
    """
    key, equals, text = override.partition("=")
    if not re.fullmatch(r"\+?[\w.\-]+", key) or not equals:
        raise ConfigError(
            f"{override!r} is no override: write key=value, such as train.max_iter=100"
        )
    add, key, value = key.startswith("+"), key.lstrip("+"), _parse(text)
    check_override(cfg, key, value, add)
    parent, _, last = key.rpartition(".")
    node = OmegaConf.select(cfg, parent) if parent else cfg
    merge = isinstance(value, dict)  # anything else takes the place of what was there
    if isinstance(node, DictConfig):
        # the node that an interpolation leads to, and not the interpolation
        OmegaConf.update(node, last, value, merge=merge, force_add=add)
    else:
        OmegaConf.update(cfg, key, value, merge=merge, force_add=add)
    check_leads_somewhere(cfg, key, value)


def _parse(text: str) -> Any:
    """A value in Hydra's grammar, which is Detectron2's; a path that it does not know is a text."""
    try:
        return OverridesParser.create().parse_override(f"key={text}").value()
    except HydraException as e:
        if text[:1] in "[{'\"":
            raise ConfigError(f"{text!r} cannot be parsed as a value: {e}") from e
        return text


def quoted(path: str | Path) -> str:
    """A path as the value of an override, whatever its characters."""
    text = re.sub(r"\\+(?='|\Z)", lambda slashes: slashes[0] * 2, str(path))
    return "'{}'".format(text.replace("'", r"\'"))
