"""The spread over seeds, moderated with the runs of the other variants of a study.

Two variants with n seeds give n differences, and their variance s^2 has n - 1 degrees of freedom. The K other variants
of the study were trained with the same seeds. After subtracting the means of variants and of seeds, the residuals of
the runs, apart from the difference itself, estimate the same variance with K (n - 1) further degrees of freedom, if
all variants have the same variance. In general their variances differ. As in Smyth (2004, Linear models and empirical
Bayes methods for assessing differential expression), the variance of a variant is taken to be drawn from a scaled
inverse chi-square distribution with d0 degrees of freedom around the common one; d0 measures how similar the variances
within one study were in this project's own runs (see `bank`). The moderated variance is

    (d s^2 + d1 s1^2) / (d + d1)    with d + d1 degrees of freedom,

where d = n - 1, s1^2 is the variance of the others, and d1 accounts both for the uncertainty of the common variance and
for the deviation of a variant from it: 1 / d1 = 1 / d0 + 1 / D, with D = K / (1 / d0 + 1 / d).

If s^2 is clearly larger than s1^2 (F-test below .05), it is used alone.

A constant taken from earlier studies cannot replace the other variants: spreads of this project's own studies differ
by a factor of ten (see `bank`), and a constant that is too small for a study makes false calls.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import fdtrc

_CLEARLY_LARGER = 0.05


@dataclass(frozen=True)
class Prior:
    """The variance of a difference according to other runs, and its degrees of freedom (0: no prior)."""

    variance: float = math.nan
    freedom: float = 0.0


NO_PRIOR = Prior()


def prior_freedom(num_others: int, freedom: int, d0: float) -> float:
    """d1 of the module's docstring, from K = `num_others`, d = `freedom` and `d0`; 0 without other variants."""
    if num_others < 1 or freedom < 1 or d0 <= 0:
        return 0.0
    return 1 / (1 / d0 + 1 / (num_others / (1 / d0 + 1 / freedom)))


def prior_from_runs(runs: np.ndarray, weights: np.ndarray, d0: float) -> Prior:
    """The prior for the variance of a contrast, such as the difference of two variants.

    Args:
        runs: (V, n) the metric of all variants by seed.
        weights: (V,) weights of the contrast, which add up to 0. For the difference of two variants these are 1, -1,
            and 0 for all others.
        d0: degrees of freedom of the distribution of variances between variants; 0 if unknown, which gives no prior.
    """
    num_others, n = len(runs) - 2, runs.shape[1]
    if not (freedom := prior_freedom(num_others, n - 1, d0)):
        return NO_PRIOR
    left = runs - runs.mean(axis=1, keepdims=True)
    left = left - left.mean(axis=0)
    size = float((weights**2).sum())
    of_contrast = float(np.var(weights @ runs)) * n
    rest = max(size * float((left**2).sum()) - of_contrast, 0.0) / (num_others * (n - 1))
    return Prior(rest, freedom)


def moderate(variance: float, freedom: float, prior: Prior) -> tuple[float, float, bool]:
    """Moderated variance, its degrees of freedom, and whether the prior was left out as clearly too small."""
    if prior.freedom == 0:
        return variance, freedom, False
    ratio = variance / prior.variance if prior.variance > 0 else math.inf
    if variance > 0 and fdtrc(freedom, prior.freedom, ratio) < _CLEARLY_LARGER:
        return variance, freedom, True
    total = freedom + prior.freedom
    return (freedom * variance + prior.freedom * prior.variance) / total, total, False


def usable_others(others: Sequence[np.ndarray]) -> np.ndarray:
    """(K, n) the rows of `others`, in percent, that are finite with a mean from 5 to 95.

    Runs near 0 or 100 are left out: they spread less, because they cannot go further.
    """
    kept = [values for values in others if np.isfinite(values).all() and 5 <= values.mean() <= 95]
    return np.stack(kept) if kept else np.zeros((0, 0))
