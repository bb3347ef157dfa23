"""The rows of a report's tables."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from ..spec.metrics import Metric
from .estimate import Estimate
from .measurements import Measurements
from .verdict import Verdict


@dataclass(frozen=True)
class Row:
    """One variant in a table. All mappings are by metric name.

    Attributes:
        num_runs: number of finished runs.
        mean: mean over its runs.
        difference: difference to the reference; empty for the reference itself.
        p_corrected: p-value of the difference, from the verdict on its hypothesis; NaN without a hypothesis.
    """

    variant: str
    num_runs: int
    mean: dict[str, Estimate]
    difference: dict[str, Estimate]
    p_corrected: dict[str, float]


def tabulate_runs(
    measurements: Measurements,
    variants: Sequence[str],
    reference: str,
    metrics: Sequence[Metric],
    verdicts: Sequence[Verdict] = (),
) -> list[Row]:
    """One row per variant, with the p-values of the `verdicts`; NaN for a metric without a hypothesis."""
    asked = {(frozenset((v.hypothesis.better, v.hypothesis.than)), v.hypothesis.metric): v for v in verdicts}
    rows = []
    for name in variants:
        compared = metrics if name != reference else ()
        found = {m.name: asked.get((frozenset((name, reference)), m)) for m in compared}
        rows.append(
            Row(
                name,
                len(measurements.finished(name)),
                {m.name: measurements.mean(name, m) for m in metrics},
                {m.name: measurements.difference(name, reference, m) for m in compared},
                {metric: verdict.p_corrected if verdict else math.nan for metric, verdict in found.items()},
            )
        )
    return rows
