"""What a variant changes against the base config, down to single values."""

from __future__ import annotations

from dataclasses import dataclass

from omegaconf import DictConfig, OmegaConf

from ...config.walk import as_text, leaves
from .study import Study, Variant

__all__ = ["Change", "config_changes"]


@dataclass(frozen=True)
class Change:
    """A value of the resolved config: its key, what it was and is, and whether the variant names it or it follows."""

    key: str
    old: str
    new: str
    named: bool

    @property
    def short_old(self) -> str:
        """`old`, of a class its name alone."""
        return self._short(self.old)

    @property
    def short_new(self) -> str:
        """`new`, of a class its name alone."""
        return self._short(self.new)

    def _short(self, value: str) -> str:
        return value.rpartition(".")[2] if self.key.endswith("_target_") else value


def config_changes(study: Study, variant: Variant) -> list[Change]:
    """Every value in which a variant differs from the study's base; those that it names first."""
    base, own = (
        _leaves(study.run_config(v, study.seeds[0])) for v in (Variant(variant.name, ()), variant)
    )
    named = tuple(o.partition("=")[0].lstrip("+") for o in variant.overrides)
    changes = [
        Change(key, base.get(key, "–"), own.get(key, "–"), _below(key, named))
        for key in sorted(base.keys() | own.keys())
        if base.get(key) != own.get(key)
    ]
    return sorted(changes, key=lambda change: not change.named)


def _below(key: str, named: tuple[str, ...]) -> bool:
    return any(key == name or key.startswith(f"{name}.") for name in named)


def _leaves(cfg: DictConfig) -> dict[str, str]:
    """Values as text by dotted key, with interpolations resolved."""
    return {k: as_text(v) for k, v in leaves(OmegaConf.to_container(cfg, resolve=True))}
