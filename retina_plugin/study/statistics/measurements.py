"""All measurements of a study: means of its variants, and differences paired by seed."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from ..evidence.by_image import Evidence, collect_evidence
from ..execution.results import RunResult, hidden_results
from ..spec.metrics import Metric
from ..spec.study import Study
from .bank import heterogeneity, least_spread
from .estimate import Estimate, estimate
from .moderation import NO_PRIOR, Prior, prior_from_runs, usable_others
from .outcomes import Outcomes, count_outcomes


@dataclass(frozen=True)
class Measurements:
    """The runs of a study, with results by image for all finished runs or for none.

    `least_spread` replaces the bank's least spread of a difference. `hidden` are runs of variants that the report does
    not show; they enter the estimate of the spread.
    """

    results: Sequence[RunResult]
    evidence: Mapping[tuple[str, int], Evidence] = field(default_factory=dict)
    least_spread: float | None = None
    hidden: Sequence[RunResult] = ()

    def finished(self, variant: str) -> dict[int, RunResult]:
        """The finished runs of a variant by seed."""
        return {r.seed: r for r in (*self.results, *self.hidden) if r.variant == variant and not r.error}

    def outcomes(self, variant: str, metric: Metric) -> Outcomes:
        """How many runs of a variant failed, diverged or collapsed; a seed that only others have counts as failed."""
        known = any(math.isfinite(metric.value(r.metrics)) for r in self.results)  # False for absent object sizes
        values: dict[int, float | None] = dict.fromkeys(r.seed for r in self.results)
        finished = self.finished(variant).items()
        values |= {seed: metric.value(r.metrics) if known else 0.0 for seed, r in finished}
        return count_outcomes(variant, values, metric)

    @property
    def num_images(self) -> int:
        """Number of test images that can be resampled."""
        return len(next(iter(self.evidence.values())).matches.image_ids) if self.evidence else 0

    def of_seeds(self, seeds: Sequence[int]) -> "Measurements":
        """The measurements of some seeds only."""
        results, hidden = ([r for r in runs if r.seed in seeds] for runs in (self.results, self.hidden))
        return replace(self, results=results, hidden=hidden)

    def mean(self, variant: str, metric: Metric) -> Estimate:
        """A metric of a variant over its seeds. For percent, the interval is clipped to [0, 100]."""
        seeds = list(self.finished(variant))
        least = self.least_spread_of(metric, len(seeds)) / math.sqrt(2)
        mean = self._estimate({variant: 1.0}, seeds, metric, least)
        if not metric.is_percent:
            return mean
        low, high = (float(np.clip(x, 0, 100)) for x in (mean.low, mean.high))
        return replace(mean, low=low, high=high)

    def difference(self, variant: str, other: str, metric: Metric) -> Estimate:
        """A metric of `variant` minus that of `other`, over the seeds that both finished."""
        return self.contrast({variant: 1.0, other: -1.0}, metric)

    def contrast(self, weights: Mapping[str, float], metric: Metric) -> Estimate:
        """The sum of a metric over variants times their `weights`, which add up to 0.

        Over the seeds that all of these variants finished.
        """
        first, *rest = [self.finished(variant) for variant in weights]
        seeds = [seed for seed in first if all(seed in runs for runs in rest)]
        size = math.sqrt(sum(w**2 for w in weights.values()) / 2)  # 1 for a difference
        least = size * self.least_spread_of(metric, len(seeds))
        return self._estimate(weights, seeds, metric, least, self._prior(weights, seeds, metric))

    def least_spread_of(self, metric: Metric, num_seeds: int) -> float:
        """The smallest spread of a difference that is used."""
        return least_spread(metric.key, num_seeds) if self.least_spread is None else self.least_spread

    def _prior(self, weights: Mapping[str, float], seeds: Sequence[int], metric: Metric) -> Prior:
        """The prior for the spread of a contrast, from all runs with these seeds except the contrast itself."""
        known = dict.fromkeys(r.variant for r in (*self.results, *self.hidden) if r.variant not in weights)
        complete = [name for name in known if set(seeds) <= set(self.finished(name))]
        own = self._values(list(weights), seeds, metric)
        if not seeds or not np.isfinite(own).all():
            return NO_PRIOR
        others = usable_others(self._values(complete, seeds, metric))
        runs = np.concatenate([own, others]) if len(others) else own
        padded = np.array([*weights.values(), *[0.0] * len(others)])
        return prior_from_runs(runs, padded, heterogeneity(metric.key))

    def _values(self, variants: Sequence[str], seeds: Sequence[int], metric: Metric) -> np.ndarray:
        """(V, n) the metric by variant and seed."""
        return np.array([[metric.value(self.finished(v)[seed].metrics) for seed in seeds] for v in variants])

    def _estimate(
        self, weights: Mapping[str, float], seeds: Sequence[int], metric: Metric, least: float, prior: Prior = NO_PRIOR
    ) -> Estimate:
        columns = self._values(list(weights), seeds, metric).T.tolist()
        values = [sum(w * x for w, x in zip(weights.values(), column, strict=True)) for column in columns]
        everyone = set(self.evidence) >= {(r.variant, r.seed) for r in (*self.results, *self.hidden) if not r.error}
        known = everyone and all(metric.key in e.resampled for e in self.evidence.values())
        if not known or not seeds:
            return estimate(values, least_spread=least, prior=prior)
        drawn = {v: np.stack([self.evidence[v, seed].resampled[metric.key] for seed in seeds]) for v in weights}
        return estimate(values, sum(w * drawn[v] for v, w in weights.items()), self.num_images, least, prior)


def measure_results(study: Study, results: Sequence[RunResult]) -> tuple[Measurements, str]:
    """The measurements of a study, and the reason if test images could not be resampled, otherwise "".

    Runs of variants that `--only` leaves out are included, so that the option changes no p-value.
    """
    hidden = hidden_results(study, results)
    evidence, reason = collect_evidence([*results, *hidden])
    return Measurements(results, evidence, hidden=hidden), reason
