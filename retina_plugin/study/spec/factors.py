"""A factorial study: every combination of the levels of some factors is a variant."""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ...config import ConfigError
from ...config.overrides import read_overrides
from .names import unusable_names

_EXAMPLE = "factors=dict(prior=dict(fixed=[], stationary=['model.head.prior_prob=stationary']))"


@dataclass(frozen=True)
class Factor:
    """One thing that a study changes, at two levels.

    Attributes:
        name: what is changed, such as "prior".
        levels: names of the two levels, such as ("fixed", "stationary"). An effect is the second minus the first.
        overrides: the overrides of each level.
    """

    name: str
    levels: tuple[str, str]
    overrides: tuple[tuple[str, ...], tuple[str, ...]]


def read_factors(entries: Any) -> tuple[Factor, ...]:
    """The factors of a study file, `{name: {level: [overrides], level: [overrides]}}`.

    Raises:
        ConfigError: if an entry has another form, or a level belongs to two factors.
    """
    if not isinstance(entries, Mapping) or not entries:
        raise ConfigError(f"factors must be a mapping such as {_EXAMPLE}, got {entries!r}")
    factors = tuple(_read(str(name), levels) for name, levels in entries.items())
    names = [level for factor in factors for level in factor.levels]
    if repeated := {name for name in names if names.count(name) > 1}:
        raise ConfigError(f"factors: several factors have the levels {sorted(repeated)}: give each a name of its own")
    return factors


def _read(name: str, levels: Any) -> Factor:
    if not isinstance(levels, Mapping) or len(levels) != 2:
        raise ConfigError(f"factors.{name} must have two levels with their overrides, such as {_EXAMPLE}")
    if bad := unusable_names(levels, "."):
        raise ConfigError(f"factors.{name}: levels must have names of letters, digits, _ and ., got {bad}")
    (first, second), read = levels, [read_overrides(f"factors.{name}[{level!r}]", x) for level, x in levels.items()]
    return Factor(name, (first, second), (read[0], read[1]))


def levels_of(factors: Sequence[Factor]) -> dict[str, tuple[int, ...]]:
    """The level, 0 or 1, of every factor by variant, such as "fixed-focal"; the one of all first levels comes first."""
    combinations = itertools.product((0, 1), repeat=len(factors))
    return {"-".join(f.levels[i] for f, i in zip(factors, chosen, strict=True)): chosen for chosen in combinations}


def combine(factors: Sequence[Factor]) -> dict[str, list[str]]:
    """Overrides by variant of all combinations, in the order of `levels_of`."""
    return {
        name: [override for f, i in zip(factors, chosen, strict=True) for override in f.overrides[i]]
        for name, chosen in levels_of(factors).items()
    }
