"""The spread of a metric between seeds in this project's own runs, from bank.json.

An entry of the bank is one variant of one study with several seeds: an A/A comparison, because its runs differ by the
seed only. An entry has either the values by seed, or the mean and standard deviation that a document of this project
prints beside the command. Entries of one `study` were trained on the same data with the same schedule. Spreads differ
by a factor of ten between studies, but not much between the variants of one study, so the bank does not say how far
the runs of a new study will spread. It says, per metric:

- `heterogeneity`: how alike the variants of one study are, as the degrees of freedom d0 of the distribution of their
  variances (Smyth 2004, section 6.2, applied within studies). The value used is at most `MOST_ALIKE`;
- `least_spread`: the spread of a difference below which no observed spread is trusted, because 95 % of studies as quiet
  as the quietest one of the bank would show a larger one. It grows with the number of seeds.

A metric that fewer than four studies report gets the values of AP, because the quietest of two or three studies may be
a loud one. For metrics that the bank does not know, both values are 0. Runs near 0 or 100 are left out, because they
cannot spread.
"""

import json
import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from scipy.optimize import brentq
from scipy.special import chdtri, polygamma, psi

BANK = Path(__file__).with_name("bank.json")
MOST_ALIKE = 2.0  # with more, intervals cover less than 93 % where spreads differ 3 to 1: see docs/statistics.md
_HEALTHY = (5.0, 95.0)  # percent
_AP, _FEWEST = "bbox/AP", 4


class Spread(NamedTuple):
    """Variance between the seeds of one variant, and its degrees of freedom."""

    variance: float
    freedom: int


def spreads(metric: str, entries: Sequence[Mapping[str, Any]] | None = None) -> dict[str, list[Spread]]:
    """By study, the spread of each variant whose mean lies between 5 and 95, for a key such as "bbox/AP"."""
    found: dict[str, list[Spread]] = defaultdict(list)
    for entry in _entries() if entries is None else entries:
        facts = entry["metrics"].get(metric)
        if facts is None:
            continue
        mean, spread, number = _summary(facts)
        if number > 1 and spread > 0 and _HEALTHY[0] <= mean <= _HEALTHY[1]:
            found[entry["study"]].append(Spread(spread**2, number - 1))
    return dict(found)


def heterogeneity(metric: str) -> float:
    """d0 as in the module's docstring, at most `MOST_ALIKE`; 0 for a metric that the bank does not know."""
    return _cached(metric)[0]


def least_spread(metric: str, num_seeds: int) -> float:
    """The smallest spread of a difference that is used; 0 for a metric that the bank does not know."""
    freedom = num_seeds - 1
    return _cached(metric)[1] * math.sqrt(float(chdtri(freedom, 0.95)) / freedom) if freedom > 0 else 0.0


@cache
def _cached(metric: str) -> tuple[float, float]:
    known = [own for own in spreads(metric).values() if len(own) > 1]
    if known and len(known) < _FEWEST and metric != _AP:
        return _cached(_AP)
    return (min(fit_heterogeneity(known), MOST_ALIKE), min(map(_of_difference, known))) if known else (0.0, 0.0)


def fit_heterogeneity(studies: Sequence[Sequence[Spread]]) -> float:
    """d0 from the spreads of several variants in each of several studies; infinite if they differ only by chance.

    The logarithm of a variance with d degrees of freedom has the variance trigamma(d / 2) + trigamma(d0 / 2).
    """
    squares, freedom, chance = 0.0, 0, []
    for own in studies:
        d = np.array([s.freedom for s in own])
        logs = np.log([s.variance for s in own]) - psi(d / 2) + np.log(d / 2)
        squares += float(((logs - logs.mean()) ** 2).sum())
        freedom += len(own) - 1
        chance += polygamma(1, d / 2).tolist()
    excess = squares / freedom - float(np.mean(chance))
    return math.inf if excess <= 1e-3 else 2 * brentq(lambda x: polygamma(1, x) - excess, 1e-3, 1e4)


def _of_difference(own: Sequence[Spread]) -> float:
    """The spread of a difference in one study, pooled over its variants."""
    return math.sqrt(2 * sum(s.variance * s.freedom for s in own) / sum(s.freedom for s in own))


def typical_spread(metric: str) -> tuple[float, float, float]:
    """Lowest, median and highest spread of a difference over the studies of the bank; NaN if it knows none."""
    pooled = [_of_difference(own) for own in spreads(metric).values()]
    return (min(pooled), float(np.median(pooled)), max(pooled)) if pooled else (math.nan, math.nan, math.nan)


def _summary(facts: Mapping[str, Any]) -> tuple[float, float, int]:
    """Mean, standard deviation and number of runs."""
    if "values" not in facts:
        return facts["mean"], facts["spread"], facts["runs"]
    values = list(facts["values"].values())
    return float(np.mean(values)), float(np.std(values, ddof=1)) if len(values) > 1 else 0.0, len(values)


@cache
def _entries() -> tuple[dict[str, Any], ...]:
    return tuple(json.loads(BANK.read_text(encoding="utf-8")))
