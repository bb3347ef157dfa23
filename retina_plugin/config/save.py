"""Write configs as YAML."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml
from omegaconf import DictConfig, OmegaConf

from ..files import written_in_full
from .walk import as_text

__all__ = ["save_config"]


def save_config(cfg: DictConfig, path: Path) -> None:
    """Write a config for `load_config`, with its keys in their order.

    Parts are built in the order of the keys, and each draws its initial weights when it is built. Detectron2's
    LazyConfig.save sorts the keys, so the same seed would give other initial weights.

    Raises:
        OSError: if the file cannot be written.
        yaml.YAMLError: for a value that YAML cannot hold.
    """
    content = _with_target_names(OmegaConf.to_container(cfg, resolve=False))
    text = yaml.dump(content, sort_keys=False, allow_unicode=True, width=9999)
    with written_in_full(path) as partial:
        partial.write_text(text, encoding="utf-8")


def _with_target_names(node: Any) -> Any:
    """The same, with classes and functions to call written as their full names."""
    if isinstance(node, dict):
        return {key: as_text(value) if key == "_target_" else _with_target_names(value) for key, value in node.items()}
    if isinstance(node, list):
        return [_with_target_names(value) for value in node]
    return node
