"""Simulated factorial studies: how often effects are falsely called, missed, or outside their intervals."""

import math

import numpy as np

from ..spec.factors import Factor, combine
from ..statistics.effects import factor_effects
from ..statistics.estimate import LEVEL
from ..statistics.measurements import Measurements
from .simulated import AP, Rates, Setting, draw_runs, results_of


def simulate_factors(setting: Setting, num_seeds: int, num_studies: int, seed: int = 0) -> Rates:
    """Simulate studies of all combinations of two levels of some factors, and count.

    The variants of the setting are the combinations, in the order of `combine`, so their number is a power of 2.
    `power` counts the effects and interactions that are not 0; there are no flags.
    """
    factors = [Factor(f"f{i}", (f"a{i}", f"b{i}"), ((), ())) for i in range(int(math.log2(len(setting.spreads))))]
    names = list(combine(factors))
    truth = np.array(effects_of(factors, dict(zip(names, setting.truth, strict=True))))
    runs = draw_runs(np.random.default_rng([seed, num_seeds]), setting, num_seeds, num_studies)
    found = np.array([_call(factors, names, own, truth) for own in runs])  # (N, 2, E)
    called, covered = found[:, 0] > 0, found[:, 1]
    real = truth != 0 if truth.any() else slice(None)
    any_call, power, coverage = (float(np.mean(x)) for x in (called.any(axis=1), called[:, real], covered))
    return Rates(num_studies, any_call, any_call, math.nan, math.nan, power, coverage)


def effects_of(factors: list[Factor], levels: dict[str, float]) -> list[float]:
    """The effects and interactions of factors from the mean of every variant."""
    results = results_of(list(levels), {AP.key: np.array([*levels.values()])[:, None]})
    return [effect.difference.mean for effect in factor_effects(Measurements(results), factors, AP)]


def _call(factors: list[Factor], names: list[str], runs: np.ndarray, truth: np.ndarray) -> list[list[bool]]:
    """Which effects of one study are called, and which intervals cover; `runs` are (V, n)."""
    effects = factor_effects(Measurements(results_of(names, {AP.key: runs})), factors, AP)
    called = [effect.p_corrected < LEVEL for effect in effects]
    return [called, [e.difference.low <= t <= e.difference.high for e, t in zip(effects, truth, strict=True)]]
