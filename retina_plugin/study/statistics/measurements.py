"""All measurements of a study: means of its variants, and differences paired by seed."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from ..evidence.by_image import Evidence
from ..execution.results import RunResult
from ..spec.metrics import Metric
from .bank import heterogeneity, least_spread
from .estimate import Estimate, estimate
from .moderation import NO_PRIOR, Prior, prior_from_others, prior_from_runs, usable_others
from .outcomes import Outcomes, count_outcomes


@dataclass(frozen=True)
class Measurements:
    """The runs of a study, and their results by image: of all finished runs, or of none.

    `least_spread` replaces the bank's least spread of a difference. `hidden` are runs of variants that the report does
    not show, which help to know the spread.
    """

    results: Sequence[RunResult]
    evidence: Mapping[tuple[str, int], Evidence] = field(default_factory=dict)
    least_spread: float | None = None
    hidden: Sequence[RunResult] = ()

    def finished(self, variant: str) -> dict[int, RunResult]:
        """The finished runs of a variant by seed."""
        return {r.seed: r for r in (*self.results, *self.hidden) if r.variant == variant and not r.error}

    def failed_seeds(self, variant: str) -> list[int]:
        """The seeds with which a variant failed."""
        return [r.seed for r in self.results if r.variant == variant and r.error]

    def outcomes(self, variant: str, metric: Metric) -> Outcomes:
        """How many runs of a variant failed, diverged or collapsed."""
        known = any(math.isfinite(metric.value(r.metrics)) for r in self.results)  # not so for sizes that do not occur
        values = {
            r.seed: None if r.error else metric.value(r.metrics) if known else 0.0
            for r in (*self.results, *self.hidden)
            if r.variant == variant
        }
        return count_outcomes(variant, values, metric)

    @property
    def num_images(self) -> int:
        """Number of test images that can be resampled."""
        return len(next(iter(self.evidence.values())).matches.image_ids) if self.evidence else 0

    def of_seeds(self, seeds: Sequence[int]) -> "Measurements":
        """Those of some seeds only."""
        results, hidden = ([r for r in runs if r.seed in seeds] for runs in (self.results, self.hidden))
        return replace(self, results=results, hidden=hidden)

    def mean(self, variant: str, metric: Metric) -> Estimate:
        """A metric of a variant over its seeds. For percent, the interval is clipped to [0, 100]."""
        seeds = list(self.finished(variant))
        least = self.least_spread_of(metric, len(seeds)) / math.sqrt(2)
        mean = self._estimate(seeds, metric, lambda of, seed: of(variant, seed), least)
        if not metric.is_percent:
            return mean
        low, high = (float(np.clip(x, 0, 100)) for x in (mean.low, mean.high))
        return replace(mean, low=low, high=high)

    def difference(self, variant: str, other: str, metric: Metric) -> Estimate:
        """A metric of `variant` minus that of `other`, over the seeds that both finished."""
        seeds = [seed for seed in self.finished(variant) if seed in self.finished(other)]
        prior = self._prior(variant, other, seeds, metric)
        least = self.least_spread_of(metric, len(seeds))
        return self._estimate(seeds, metric, lambda of, seed: of(variant, seed) - of(other, seed), least, prior)

    def contrast(self, weights: Mapping[str, float], metric: Metric) -> Estimate:
        """The sum of a metric over variants times their `weights`, which add up to 0.

        Over the seeds that all of these variants finished.
        """
        first, *others = [self.finished(variant) for variant in weights]
        seeds = [seed for seed in first if all(seed in runs for runs in others)]
        factors = np.array(list(weights.values()))
        runs = self._values(list(weights), seeds, metric)
        is_usable = len(seeds) > 1 and len(usable_others(runs)) == len(runs)
        prior = prior_from_runs(runs, factors, heterogeneity(metric.key)) if is_usable else NO_PRIOR
        least = self.least_spread_of(metric, len(seeds)) * math.sqrt(float((factors**2).sum()) / 2)
        total = lambda of, seed: sum(w * of(v, seed) for v, w in weights.items())  # noqa: E731
        return self._estimate(seeds, metric, total, least, prior)

    def least_spread_of(self, metric: Metric, num_seeds: int) -> float:
        """The smallest spread of a difference that is used."""
        return least_spread(metric.key, num_seeds) if self.least_spread is None else self.least_spread

    def _prior(self, variant: str, other: str, seeds: Sequence[int], metric: Metric) -> Prior:
        """What the runs of all other variants with these seeds say about the spread of the difference."""
        known = dict.fromkeys(r.variant for r in (*self.results, *self.hidden))
        names = [name for name in known if name not in (variant, other)]
        complete = [name for name in names if set(seeds) <= set(self.finished(name))]
        pair = self._values([variant, other], seeds, metric)
        if not seeds or not np.isfinite(pair).all():
            return NO_PRIOR
        others = usable_others(self._values(complete, seeds, metric))
        return prior_from_others(pair, others, heterogeneity(metric.key)) if len(others) else NO_PRIOR

    def _values(self, variants: Sequence[str], seeds: Sequence[int], metric: Metric) -> np.ndarray:
        """(V, n) the metric by variant and seed."""
        return np.array([[metric.value(self.finished(v)[seed].metrics) for seed in seeds] for v in variants])

    def _estimate(
        self, seeds: Sequence[int], metric: Metric, combine: Callable, least: float, prior: Prior = NO_PRIOR
    ) -> Estimate:
        def value(variant: str, seed: int) -> float:
            return metric.value(self.finished(variant)[seed].metrics)

        def resampled(variant: str, seed: int) -> np.ndarray:
            return self.evidence[variant, seed].resampled[metric.key]

        values = [combine(value, seed) for seed in seeds]
        everyone = set(self.evidence) >= {(r.variant, r.seed) for r in (*self.results, *self.hidden) if not r.error}
        known = everyone and all(metric.key in e.resampled for e in self.evidence.values())
        if not known or not seeds:
            return estimate(values, least_spread=least, prior=prior)
        draws = np.stack([combine(resampled, seed) for seed in seeds])
        return estimate(values, draws, self.num_images, least, prior)
