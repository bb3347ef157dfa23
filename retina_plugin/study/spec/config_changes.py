"""The values in which two resolved configs differ."""

from collections.abc import Sequence
from dataclasses import dataclass

from omegaconf import DictConfig, OmegaConf

from ...config.walk import as_text, leaves


@dataclass(frozen=True)
class Change:
    """One value that differs; `named` says whether an override names its key or a parent of it.

    `old` and `new` are strings, "–" where the key does not exist. A value that is not named follows from a named one
    by interpolation.
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
    """Every value in which `own` differs from `base`; values that an override (`key=value`) names come first."""
    named = tuple(o.partition("=")[0].lstrip("+") + "." for o in named_overrides)
    before, after = (dict(leaves(OmegaConf.to_container(cfg, resolve=True))) for cfg in (base, own))
    changes = []
    for key in sorted(before.keys() | after.keys()):
        old, new = (as_text(values[key]) if key in values else "–" for values in (before, after))
        if old != new:
            changes.append(Change(key, old, new, f"{key}.".startswith(named)))
    return sorted(changes, key=lambda change: not change.named)
