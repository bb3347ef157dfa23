"""The uncertainty of a mean or a difference of a metric, from a few seeds and one set of test images.

The rule, for n differences d_1 .. d_n of one metric, each between two runs of one seed:

1. Other seeds, same images: Student's t over the seeds, d / (max(s, .35) / sqrt(n)) with n - 1 degrees of freedom. s is
   the standard deviation of d_1 .. d_n. Three differences can agree by chance, so for metrics in percent no standard
   deviation below .35 is used: that of two published runs of one config, which have 35.8 and 36.3 AP. Metrics in other
   units have no such floor.
2. Other seeds and other images: the differences are computed again on resampled images, the same for all runs, and
   n - 1 of the n seeds are drawn with replacement (Rao and Wu 1988: with n draws the variance of so few is too small by
   a factor of 1 - 1 / n). The standard deviation over resamples is the standard error, with degrees of freedom after
   Satterthwaite. Resampling both seeds and images overestimates the variance rather than underestimating it (Owen 2007,
   The pigeonhole bootstrap). Only the spread of the resamples is used: their centre is biased, because a data set with
   repeated images has another AP.
3. The interval is the wider of the two 95 % intervals, and p the larger of the two p-values: a difference counts if it
   should hold for other seeds and for other images of the same kind. p is two-sided and corrected after Holm for all
   comparisons of the study; below .05 the verdict is "better" or "worse".

Without results by image only (1) remains, and a verdict holds for these test images only. With one seed only the images
can be resampled: the interval then applies to these two trained models, and there is no verdict on the configs.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import stdtr, stdtrit  # scipy.stats takes most of a second to import

LEVEL = 0.05
LEAST_SPREAD = 0.35  # of metrics in percent


@dataclass(frozen=True)
class Estimate:
    """The mean of a metric over seeds, or of a paired difference, in the unit of the metric; NaN where unknown.

    Attributes:
        spread: standard deviation over seeds.
        low, high: 95 % interval.
        p_value: two-sided, of the hypothesis that the true mean is 0, not corrected; NaN with one seed.
        num_seeds: number of runs, or of pairs of runs.
        num_images: number of test images that were resampled, or 0.
    """

    mean: float = math.nan
    spread: float = math.nan
    low: float = math.nan
    high: float = math.nan
    p_value: float = math.nan
    num_seeds: int = 0
    num_images: int = 0


def estimate(
    values: Sequence[float],
    resampled: np.ndarray | None = None,
    num_images: int = 0,
    least_spread: float = LEAST_SPREAD,
) -> Estimate:
    """Apply the rule of this module.

    Args:
        values: (n,) one per seed. If any is NaN, the estimate is NaN.
        resampled: (n, B) the same on resampled images. Ignored if most are NaN, as for sizes that hardly occur.
        num_images: number of images that were resampled.
        least_spread: the smallest standard deviation over seeds that is used.
    """
    n = len(values)
    if n == 0 or np.isnan(values).any():
        return Estimate(num_seeds=n)
    mean, spread = float(np.mean(values)), float(np.std(values, ddof=1)) if n > 1 else math.nan
    errors = [(max(spread, least_spread) / math.sqrt(n), n - 1.0)] if n > 1 else []
    if resampled is None or num_images < 2 or np.isnan(resampled).mean() > 0.5:
        num_images = 0
    else:
        errors.append(_over_seeds_and_images(spread, resampled, num_images))
    if not errors:
        return Estimate(mean, spread, num_seeds=n)
    half = max(error * stdtrit(freedom, 1 - LEVEL / 2) for error, freedom in errors)
    p = max(_p_value(mean, error, freedom) for error, freedom in errors) if n > 1 else math.nan
    return Estimate(mean, spread, mean - half, mean + half, p, n, num_images)


def _over_seeds_and_images(spread: float, resampled: np.ndarray, num_images: int) -> tuple[float, float]:
    """Standard error and degrees of freedom."""
    n = len(resampled)
    variance = float(np.nanvar(_draw_seeds(resampled), ddof=1))
    of_seeds = spread**2 / n if n > 1 else 0.0
    of_images = max(variance - of_seeds, 0.0)
    # Satterthwaite 1946: each part of the variance has one degree of freedom less than it has samples
    uncertainty = of_seeds**2 / max(n - 1, 1) + of_images**2 / (num_images - 1)
    freedom = variance**2 / uncertainty if uncertainty else num_images - 1.0
    return math.sqrt(variance), max(freedom, 1.0)


def _draw_seeds(resampled: np.ndarray) -> np.ndarray:
    """(B,) means over n - 1 of the n seeds, drawn with replacement for each resample of images."""
    n, num_resamples = resampled.shape
    drawn = np.random.default_rng(n).integers(n, size=(max(n - 1, 1), num_resamples))
    return np.take_along_axis(resampled, drawn, axis=0).mean(axis=0)


def _p_value(mean: float, error: float, freedom: float) -> float:
    if error == 0:
        return 1.0 if mean == 0 else 0.0
    return float(2 * stdtr(freedom, -abs(mean) / error))


def correct_holm(p_values: Sequence[float]) -> list[float]:
    """Holm's step-down correction for multiple comparisons. NaN stays NaN and is not counted as a comparison.

    Source: Holm 1979, A simple sequentially rejective multiple test procedure.
    """
    p = np.asarray(p_values, float)
    corrected = np.full(p.shape, np.nan)
    known = [i for i in np.argsort(p, kind="stable") if not np.isnan(p[i])]
    highest = 0.0
    for rank, i in enumerate(known):
        highest = max(highest, min(1.0, (len(known) - rank) * p[i]))
        corrected[i] = highest
    return corrected.tolist()
