"""Strict checks of lazy configs: a key that nothing reads is an error that names the most similar known key."""

from __future__ import annotations

from omegaconf import DictConfig, OmegaConf

from .calls import argument_names, is_call
from .errors import ConfigError, nearest
from .kinds import check_kind
from .walk import mappings

__all__ = ["check_config"]


def check_config(cfg: DictConfig, known_train: DictConfig) -> None:
    """Check that `train` has only known keys, and every LazyCall only arguments that its target takes.

    Args:
        cfg: the config to check.
        known_train: every key that training reads.

    Raises:
        ConfigError: naming the first unknown key, and the most similar known one.
    """
    if "train" in cfg:
        _check_known(cfg.train, known_train, "train")
    for path, node in mappings(OmegaConf.to_container(cfg, resolve=False)):
        allowed = argument_names(node) if is_call(node) else None
        for key in node:
            if allowed is not None and key not in allowed and key != "_target_":
                raise ConfigError(f"config key {path}.{key} is unknown{nearest(key, allowed)}")


def _check_known(node: DictConfig, known: DictConfig, path: str) -> None:
    for key in node:
        if key not in known:
            raise ConfigError(f"config key {path}.{key} is unknown{nearest(key, known)}")
        if not OmegaConf.is_interpolation(node, key):
            check_kind(known, key, f"{path}.{key}", node[key])
        if OmegaConf.is_dict(known[key]):
            _check_known(node[key], known[key], f"{path}.{key}")
