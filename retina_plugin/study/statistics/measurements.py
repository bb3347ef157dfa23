"""All measurements of a study: means of its variants, and differences paired by seed."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from ..execution.results import RunResult
from ..spec.metrics import Metric
from .estimate import LEAST_SPREAD, Estimate, correct_holm, estimate
from .evidence import Evidence


@dataclass(frozen=True)
class Measurements:
    """The runs of a study, and their results by image: of all finished runs, or of none."""

    results: Sequence[RunResult]
    evidence: Mapping[tuple[str, int], Evidence] = field(default_factory=dict)

    def finished(self, variant: str) -> dict[int, RunResult]:
        """The finished runs of a variant by seed."""
        return {r.seed: r for r in self.results if r.variant == variant and not r.error}

    def failed_seeds(self, variant: str) -> list[int]:
        """The seeds with which a variant failed."""
        return [r.seed for r in self.results if r.variant == variant and r.error]

    @property
    def num_images(self) -> int:
        """Number of test images that can be resampled."""
        return len(next(iter(self.evidence.values())).matches.image_ids) if self.evidence else 0

    def mean(self, variant: str, metric: Metric) -> Estimate:
        """A metric of a variant over its seeds. For percent, the interval is clipped to [0, 100]."""
        seeds = list(self.finished(variant))
        mean = self._estimate(seeds, metric, lambda of, seed: of(variant, seed))
        if not metric.is_percent:
            return mean
        low, high = (float(np.clip(x, 0, 100)) for x in (mean.low, mean.high))
        return replace(mean, low=low, high=high)

    def difference(self, variant: str, other: str, metric: Metric) -> Estimate:
        """A metric of `variant` minus that of `other`, over the seeds that both finished."""
        seeds = [seed for seed in self.finished(variant) if seed in self.finished(other)]
        return self._estimate(seeds, metric, lambda of, seed: of(variant, seed) - of(other, seed))

    def contrast(self, weights: Mapping[str, float], metric: Metric) -> Estimate:
        """The sum of a metric over variants times their `weights`, over the seeds that all of them finished."""
        first, *others = [self.finished(variant) for variant in weights]
        seeds = [seed for seed in first if all(seed in runs for runs in others)]
        return self._estimate(seeds, metric, lambda of, seed: sum(w * of(v, seed) for v, w in weights.items()))

    def _estimate(self, seeds: Sequence[int], metric: Metric, combine: Callable) -> Estimate:
        def value(variant: str, seed: int) -> float:
            return metric.value(self.finished(variant)[seed].metrics)

        def resampled(variant: str, seed: int) -> np.ndarray:
            return self.evidence[variant, seed].resampled[metric.key]

        values = [combine(value, seed) for seed in seeds]
        least_spread = LEAST_SPREAD if metric.is_percent else 0.0
        known = self.evidence and all(metric.key in e.resampled for e in self.evidence.values())
        if not known or not seeds:
            return estimate(values, least_spread=least_spread)
        draws = np.stack([combine(resampled, seed) for seed in seeds])
        return estimate(values, draws, self.num_images, least_spread)


@dataclass(frozen=True)
class Row:
    """One variant in a table. All mappings are by metric name.

    Attributes:
        num_runs: number of finished runs.
        mean: over its runs.
        difference: to the reference; empty for the reference itself.
        p_corrected: of the difference, corrected for all variants that the metric compares with the reference.
    """

    variant: str
    num_runs: int
    mean: dict[str, Estimate]
    difference: dict[str, Estimate]
    p_corrected: dict[str, float]


def tabulate_runs(
    measurements: Measurements, variants: Sequence[str], reference: str, metrics: Sequence[Metric]
) -> list[Row]:
    """One row per variant. The p-values of each metric are corrected for its comparisons with the reference."""
    differences = {
        name: {m.name: measurements.difference(name, reference, m) for m in metrics}
        for name in variants
        if name != reference
    }
    corrected: dict[str, dict[str, float]] = {name: {} for name in variants}
    for metric in metrics:
        p_values = correct_holm([row[metric.name].p_value for row in differences.values()])
        for name, p in zip(differences, p_values, strict=True):
            corrected[name][metric.name] = p
    means = {name: {m.name: measurements.mean(name, m) for m in metrics} for name in variants}
    return [
        Row(name, len(measurements.finished(name)), means[name], differences.get(name, {}), corrected[name])
        for name in variants
    ]
