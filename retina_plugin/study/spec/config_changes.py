"""The values in which two resolved configs differ."""

import copy
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from omegaconf import DictConfig, OmegaConf

from ...config.walk import as_text, leaves
from .study import MATCHED_SCALE, Study


@dataclass(frozen=True)
class Change:
    """One value that differs; `named` says whether an override names its key or a parent of it.

    `old` and `new` are strings, "–" where the key does not exist and "not set" where its value is ???. A value that is
    not named follows from a named one by interpolation.
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
    before, after = (dict(leaves(_resolved(cfg))) for cfg in (base, own))
    changes = []
    for key in sorted(before.keys() | after.keys()):
        old, new = (as_text(values[key]) if key in values else "–" for values in (before, after))
        if old != new:
            changes.append(Change(key, old, new, f"{key}.".startswith(named)))
    return sorted(changes, key=lambda change: not change.named)


def _resolved(cfg: DictConfig) -> Any:
    """The values of a config; "not set" in place of ???, which the base config of a study may leave to its variants."""
    cfg = copy.deepcopy(cfg)
    for key, value in leaves(OmegaConf.to_container(cfg), into_lists=True):
        if isinstance(value, str) and value == "???":
            OmegaConf.update(cfg, key, "not set")
    return OmegaConf.to_container(cfg, resolve=True)


def variant_changes(study: Study) -> dict[str, list[Change]]:
    """By variant, its config compared with the base config; run folder and seed are the same in both."""
    seed, reference = study.seeds[0], replace(study.partner, name=study.reference)
    base, changes = study.run_config(replace(reference, overrides=()), seed), {}
    for variant in study.variants:
        own = study.run_config(replace(reference, overrides=variant.overrides), seed)
        scale = [_change_of_scale(base)] if MATCHED_SCALE in variant.overrides else []
        changes[variant.name] = [*scale, *config_changes(base, own, variant.overrides)]
    return changes


def _change_of_scale(base: DictConfig) -> Change:
    """`MATCHED_SCALE`, which stands for a number that the config does not hold."""
    key, _, value = MATCHED_SCALE.partition("=")
    return Change(key, as_text(OmegaConf.select(base, key, default="–")), value, named=True)
