"""The values in which two resolved configs differ."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from omegaconf import DictConfig, OmegaConf

from ...config.walk import as_text, leaves

__all__ = ["Change", "config_changes"]


@dataclass(frozen=True)
class Change:
    """One value that differs.

    Attributes:
        key: dotted key in the config.
        old, new: values as strings, "–" where the key does not exist.
        named: whether an override names the key; otherwise the value follows from such a key by interpolation.
    """

    key: str
    old: str
    new: str
    named: bool

    @property
    def short(self) -> tuple[str, str]:
        """Old and new value; of a class only its name."""
        values = (self.old, self.new)
        return tuple(v.rpartition(".")[2] for v in values) if self.key.endswith("_target_") else values


def config_changes(base: DictConfig, own: DictConfig, named_overrides: Sequence[str]) -> list[Change]:
    """Every value in which `own` differs from `base`; those that an override names come first.

    Args:
        base: a config.
        own: the same config with overrides.
        named_overrides: those overrides, `key=value`.
    """
    named = tuple(o.partition("=")[0].lstrip("+") for o in named_overrides)
    before, after = _leaves(base), _leaves(own)
    changes = [
        Change(key, before.get(key, "–"), after.get(key, "–"), _below(key, named))
        for key in sorted(before.keys() | after.keys())
        if before.get(key) != after.get(key)
    ]
    return sorted(changes, key=lambda change: not change.named)


def _below(key: str, named: tuple[str, ...]) -> bool:
    return any(key == name or key.startswith(f"{name}.") for name in named)


def _leaves(cfg: DictConfig) -> dict[str, str]:
    """Values as strings by dotted key, with interpolations resolved."""
    return {k: as_text(v) for k, v in leaves(OmegaConf.to_container(cfg, resolve=True))}
