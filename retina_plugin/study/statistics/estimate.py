"""The uncertainty of a mean or a difference of a metric, from a few seeds and one set of test images.

The rule, for the n differences d_1 .. d_n of one metric between two variants, one difference per seed:

1. Other seeds, same images. The standard error is s / sqrt(n), where s is the standard deviation of d_1 .. d_n. With
   three seeds s has two degrees of freedom, so Student's t needs a large effect. In a study of three or more variants
   the runs of the other variants also show how far runs spread: s is moderated with their spread, and has more
   degrees of freedom (see `moderation`). Two variants alone give the paired t-test. s is never taken to be smaller
   than in 95 % of studies as quiet as the quietest one in this project (see `bank`).
2. Other seeds and other images. The differences are computed again on resampled images, the same for all runs, and
   n - 1 of the n seeds are drawn with replacement (Rao and Wu 1988: with n draws the variance of so few is too small by
   a factor of 1 - 1 / n). The variance over resamples is split into a part of the seeds, which the variance of (1)
   replaces, and a part of the images. Their sum has degrees of freedom after Satterthwaite (1946). Resampling both
   seeds and images rather overestimates the variance (Owen 2007, The pigeonhole bootstrap). Only the spread of the
   resamples is used: their centre is biased, because a data set with repeated images has another AP.
3. The interval is the wider of the two intervals, and p the larger of the two p-values: a difference counts if it
   should hold for other seeds and for other images of the same kind.
4. p is two-sided and corrected after Holm (1979) for all comparisons that the study file asks for. Those that were not
   made, because a run failed or `--only` left a variant out, count as if their p were 1. Runs of variants that `--only`
   leaves out are used if they lie in the study folder, so that `--only` changes no p-value. Below .05 it is "better"
   or "worse". The simultaneous intervals, which hold together, are Bonferroni's, at 5 % divided by the number of
   comparisons; Holm's correction may call a difference whose simultaneous interval just includes 0.
5. A hypothesis with a margin m is also tested for equivalence, by two one-sided tests (Schuirmann 1987): below .05 the
   difference lies between -m and m.
6. A study that is looked at while seeds are added spends the .05 over its looks (see `planning.looks`).

Without results by image only (1) remains, and a verdict holds for these test images only. With one seed only the images
can be resampled: the interval then applies to these two trained models, and there is no verdict on the configs. A
failed run on either side prevents a verdict (see `outcomes`).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy.special import stdtr, stdtrit  # scipy.stats takes most of a second to import

from .moderation import NO_PRIOR, Prior, moderate

LEVEL = 0.05


@dataclass(frozen=True)
class Estimate:
    """The mean of a metric over seeds, or of a paired difference, in the unit of the metric; NaN where unknown.

    Attributes:
        spread: standard deviation over seeds.
        low, high: 95 % interval.
        p_value: two-sided, of the hypothesis that the true mean is 0, not corrected; NaN with one seed.
        num_seeds: number of runs, or of pairs of runs.
        num_images: number of test images that were resampled, or 0.
        errors: standard errors with their degrees of freedom: over seeds, and over seeds and images.
        prior_freedom: degrees of freedom that the runs of other variants add to the spread over seeds.
        own_spread: True if other variants were not used because this spread is clearly larger than theirs.
    """

    mean: float = math.nan
    spread: float = math.nan
    low: float = math.nan
    high: float = math.nan
    p_value: float = math.nan
    num_seeds: int = 0
    num_images: int = 0
    errors: tuple[tuple[float, float], ...] = ()
    prior_freedom: float = 0.0
    own_spread: bool = False

    def interval(self, level: float = LEVEL) -> tuple[float, float]:
        """The interval that misses the true value with probability `level`; NaN if unknown."""
        half = max((error * float(stdtrit(df, 1 - level / 2)) for error, df in self.errors), default=math.nan)
        return self.mean - half, self.mean + half

    def p_equivalent(self, margin: float | None) -> float:
        """p of two one-sided tests that the true value lies beyond -margin or margin; NaN with one seed or no margin.

        Source: Schuirmann 1987, A comparison of the two one-sided tests procedure and the power approach.
        """
        if margin is None or math.isnan(self.p_value):
            return math.nan
        inside = margin - abs(self.mean)  # the nearer end has the larger p
        return max(_tail(-inside, error, freedom) for error, freedom in self.errors)


def estimate(
    values: Sequence[float],
    resampled: np.ndarray | None = None,
    num_images: int = 0,
    least_spread: float = 0.0,
    prior: Prior = NO_PRIOR,
) -> Estimate:
    """Apply the rule of this module.

    Args:
        values: (n,) one per seed. If any is not finite, the estimate is NaN.
        resampled: (n, B) the values on resampled images. Ignored if most are NaN, as for sizes that hardly occur.
        num_images: number of images that were resampled.
        least_spread: the smallest standard deviation over seeds that is used.
        prior: the variance over seeds according to other runs.
    """
    n = len(values)
    if n == 0 or not np.isfinite(values).all():
        return Estimate(num_seeds=n)
    mean, spread = float(np.mean(values)), float(np.std(values, ddof=1)) if n > 1 else math.nan
    variance, freedom, own = moderate(spread**2, n - 1, prior) if n > 1 else (0.0, 1.0, False)
    variance = max(variance, least_spread**2) / n
    errors = [(math.sqrt(variance), freedom)] if n > 1 else []
    if resampled is None or num_images < 2 or np.isnan(resampled).mean() > 0.5:
        num_images = 0
    else:
        of_images = _variance_of_images(spread, resampled)
        errors.append(_add(variance if n > 1 else 0.0, freedom, of_images, num_images - 1.0))
    p = max(2 * _tail(-abs(mean), *error) for error in errors) if n > 1 else math.nan
    extra = max(freedom - (n - 1), 0.0)
    return _with_interval(Estimate(mean, spread, math.nan, math.nan, p, n, num_images, tuple(errors), extra, own))


def estimate_unpaired(a: Sequence[float], b: Sequence[float], least_spread: float = 0.0) -> Estimate:
    """The difference of two means of unpaired runs, from (n,) and (m,) finite values; `num_seeds` is min(n, m).

    Source: Welch 1947, The generalization of Student's problem when several different population variances are
    involved.
    """
    n = min(len(a), len(b))
    if n < 2:
        return Estimate(float(np.mean(a) - np.mean(b)) if n else math.nan, num_seeds=n)
    least = least_spread**2 / 2
    of_a, of_b = (max(float(np.var(x, ddof=1)), least) / len(x) for x in (a, b))
    error, freedom = _add(of_a, len(a) - 1.0, of_b, len(b) - 1.0)
    mean, spread = float(np.mean(a) - np.mean(b)), math.sqrt(float(np.var(a, ddof=1) + np.var(b, ddof=1)))
    p = 2 * _tail(-abs(mean), error, freedom)
    return _with_interval(Estimate(mean, spread, p_value=p, num_seeds=n, errors=((error, freedom),)))


def _with_interval(known: Estimate) -> Estimate:
    low, high = known.interval()
    return replace(known, low=low, high=high)


def _variance_of_images(spread: float, resampled: np.ndarray) -> float:
    """The part of the variance of a mean that changes with the images."""
    n = len(resampled)
    variance = float(np.nanvar(_draw_seeds(resampled), ddof=1))
    return max(variance - (spread**2 / n if n > 1 else 0.0), 0.0)


def _add(of_seeds: float, seeds_freedom: float, of_images: float, images_freedom: float) -> tuple[float, float]:
    """Standard error and Satterthwaite's degrees of freedom of a sum of two variances."""
    uncertainty = of_seeds**2 / seeds_freedom + of_images**2 / images_freedom
    freedom = (of_seeds + of_images) ** 2 / uncertainty if uncertainty else images_freedom
    return math.sqrt(of_seeds + of_images), max(freedom, 1.0)


def _draw_seeds(resampled: np.ndarray) -> np.ndarray:
    """(B,) means over n - 1 of the n seeds, drawn with replacement for each resample of images."""
    n, num_resamples = resampled.shape
    drawn = np.random.default_rng(n).integers(n, size=(max(n - 1, 1), num_resamples))
    return np.take_along_axis(resampled, drawn, axis=0).mean(axis=0)


def _tail(distance: float, error: float, freedom: float) -> float:
    """Probability that t is below distance / error."""
    if error == 0:
        return 0.5 if distance == 0 else float(distance > 0)
    return float(stdtr(freedom, distance / error))
