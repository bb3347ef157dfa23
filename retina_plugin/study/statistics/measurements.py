"""All that a study measured: levels of its variants, and differences paired by seed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from ..execution.results import RunResult
from .estimate import Estimate, correct_holm, estimate
from .evidence import Evidence

__all__ = ["Measurements", "Row", "tabulate_runs"]


@dataclass(frozen=True)
class Measurements:
    """Runs of a study, and what they found image by image: of all finished runs, or of none."""

    results: Sequence[RunResult]
    evidence: Mapping[tuple[str, int], Evidence] = field(default_factory=dict)

    def finished(self, variant: str) -> dict[int, RunResult]:
        """The finished runs of a variant by seed."""
        return {r.seed: r for r in self.results if r.variant == variant and not r.error}

    @property
    def num_images(self) -> int:
        """Test images that can be resampled."""
        return len(next(iter(self.evidence.values())).matches.image_ids) if self.evidence else 0

    def level(self, variant: str, metric: str) -> Estimate:
        """A metric of a variant over its seeds, in percent; the interval ends at 0 and 100."""
        seeds = list(self.finished(variant))
        level = self._estimate(seeds, metric, lambda of, seed: of(variant, seed))
        low, high = (float(np.clip(x, 0, 100)) for x in (level.low, level.high))
        return replace(level, low=low, high=high)

    def difference(self, variant: str, other: str, metric: str) -> Estimate:
        """By how much a variant exceeds another one, over the seeds that both finished."""
        seeds = [seed for seed in self.finished(variant) if seed in self.finished(other)]
        return self._estimate(seeds, metric, lambda of, seed: of(variant, seed) - of(other, seed))

    def _estimate(self, seeds: Sequence[int], metric: str, combine: Callable) -> Estimate:
        def value(variant: str, seed: int) -> float:
            return self.finished(variant)[seed].value(metric)

        def resampled(variant: str, seed: int) -> np.ndarray:
            return self.evidence[variant, seed].resampled[metric]

        values = [combine(value, seed) for seed in seeds]
        known = self.evidence and all(metric in e.resampled for e in self.evidence.values())
        if not known or not seeds:
            return estimate(values)
        draws = np.stack([combine(resampled, seed) for seed in seeds])
        return estimate(values, draws, self.num_images)


@dataclass(frozen=True)
class Row:
    """A variant: its levels and its differences to the reference by metric; p corrected over the variants."""

    variant: str
    num_runs: int
    level: dict[str, Estimate]
    difference: dict[str, Estimate]
    p_corrected: dict[str, float]


def tabulate_runs(
    measurements: Measurements, variants: Sequence[str], reference: str, metrics: Sequence[str]
) -> list[Row]:
    """One row per variant. Each metric's p-values are corrected for its comparisons with the reference."""
    differences = {
        name: {m: measurements.difference(name, reference, m) for m in metrics}
        for name in variants
        if name != reference
    }
    corrected: dict[str, dict[str, float]] = {name: {} for name in variants}
    for metric in metrics:
        p_values = correct_holm([row[metric].p_value for row in differences.values()])
        for name, p in zip(differences, p_values, strict=True):
            corrected[name][metric] = p
    return [
        Row(
            variant=name,
            num_runs=len(measurements.finished(name)),
            level={m: measurements.level(name, m) for m in metrics},
            difference=differences.get(name, {}),
            p_corrected=corrected[name],
        )
        for name in variants
    ]
