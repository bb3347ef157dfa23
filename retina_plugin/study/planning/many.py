"""The rule of `statistics`, vectorized for AP of many studies, without test images; a test compares it with `judge`."""

from typing import NamedTuple

import numpy as np
from scipy.special import fdtrc, stdtr, stdtrit

from ..statistics.bank import heterogeneity, least_spread
from ..statistics.estimate import LEVEL
from ..statistics.outcomes import COLLAPSED, HEALTHY, exact_interval
from ..statistics.wording import RARE
from .looks import shares

_AP = "bbox/AP"


class Comparisons(NamedTuple):
    """Variants b, c, .. minus a in N studies, each (N, V - 1); p is corrected after Holm, intervals are not."""

    p: np.ndarray
    low: np.ndarray
    high: np.ndarray
    flagged: np.ndarray
    cautioned: np.ndarray


def compare_many(runs: np.ndarray) -> Comparisons:
    """Compare the first variant of each study with the others, from AP (N, V, n) by study, variant and seed."""
    n = runs.shape[2]
    difference = runs[:, 1:] - runs[:, :1]
    mean, variance = difference.mean(axis=2), difference.var(axis=2, ddof=1)
    moderated, freedom = _moderate(runs, variance)
    error = np.sqrt(np.maximum(moderated, least_spread(_AP, n) ** 2) / n)
    p = 2 * stdtr(freedom, -np.abs(mean) / error)
    half = error * stdtrit(freedom, 1 - LEVEL / 2)
    collapsed = _collapsed(runs)
    cautioned = _cautions(runs, mean, collapsed.sum(axis=2))
    return Comparisons(_correct_holm(p), mean - half, mean + half, _flags(runs, collapsed.any(axis=2)), cautioned)


def _moderate(runs: np.ndarray, variance: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(N, V - 1) moderated variances and their degrees of freedom."""
    number, variants, n = runs.shape
    d0, d = heterogeneity(_AP), n - 1
    means = runs.mean(axis=2)
    usable = (means >= 5) & (means <= 95)
    moderated, freedom = variance.copy(), np.full(variance.shape, float(d))
    for v in range(1, variants):
        kept = usable.copy()
        kept[:, [0, v]] = True
        left = runs - means[:, :, None]
        left = left - (left * kept[:, :, None]).sum(axis=1, keepdims=True) / kept.sum(axis=1)[:, None, None]
        others = kept.sum(axis=1) - 2
        of_pair = variance[:, v - 1] * d
        rest = 2 * ((left**2) * kept[:, :, None]).sum(axis=(1, 2)) - of_pair
        rest = np.maximum(rest, 0) / np.maximum(others * d, 1)
        with np.errstate(divide="ignore", invalid="ignore"):
            extra = 1 / (1 / d0 + (1 / d0 + 1 / d) / others)
            larger = fdtrc(d, np.maximum(extra, 1e-9), variance[:, v - 1] / rest) < 0.05
        used = (others > 0) & ~larger
        total = d + np.where(used, extra, 0.0)
        moderated[:, v - 1] = np.where(used, (of_pair + extra * rest) / total, variance[:, v - 1])
        freedom[:, v - 1] = total
    return moderated, freedom


def _correct_holm(p: np.ndarray) -> np.ndarray:
    order = np.argsort(p, axis=1)
    left = np.arange(p.shape[1], 0, -1)
    stepped = np.maximum.accumulate(np.minimum(left * np.take_along_axis(p, order, axis=1), 1), axis=1)
    return np.take_along_axis(stepped, np.argsort(order, axis=1), axis=1)


def _collapsed(runs: np.ndarray) -> np.ndarray:
    """(N, V, n) whether a run collapsed."""
    n = runs.shape[2]
    typical = np.stack([np.median(np.delete(runs, i, axis=2), axis=2) for i in range(n)], axis=2)
    return (runs < COLLAPSED * typical) & (typical >= HEALTHY)


def _cautions(runs: np.ndarray, mean: np.ndarray, num_bad: np.ndarray) -> np.ndarray:
    """(N, V - 1) whether the runs cannot exclude collapses of the better variant that would undo the difference."""
    n, level = runs.shape[2], runs.mean(axis=2)
    most = np.array([exact_interval(number, n)[1] for number in range(n + 1)])[num_bad]
    ahead, high = (np.where(mean > 0, x[:, 1:], x[:, :1]) for x in (level, most))
    return np.abs(mean) < np.minimum(high, RARE) * ahead


def _flags(runs: np.ndarray, collapsed: np.ndarray) -> np.ndarray:
    """(N, V - 1) whether a run of either variant collapsed, or one spreads clearly further."""
    n = runs.shape[2]
    collapsed = collapsed[:, 1:] | collapsed[:, :1]
    spread = runs.var(axis=2, ddof=1)
    wide, narrow = (f(spread[:, 1:], spread[:, :1]) for f in (np.maximum, np.minimum))
    with np.errstate(divide="ignore", invalid="ignore"):
        apart = fdtrc(n - 1, n - 1, wide / narrow) < 0.05
    return collapsed | (apart & (narrow < wide))


def called_at_any_look(runs: np.ndarray) -> np.ndarray:
    """(N, V - 1) whether any look, after the second or a later seed, calls a comparison; looks share the 5 %."""
    numbers = range(2, runs.shape[2] + 1)
    looks = zip(numbers, shares(numbers, runs.shape[2]), strict=True)
    return np.any([compare_many(runs[:, :, :number]).p < LEVEL * share for number, share in looks], axis=0)
