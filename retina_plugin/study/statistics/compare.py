"""Compare two variants by one metric value per seed, outside of a study."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from ..execution.results import RunResult
from ..spec.metrics import COCO_METRICS, Metric, read_metric
from .estimate import LEVEL, Estimate, estimate_unpaired
from .measurements import Measurements
from .outcomes import count_outcomes, spread_flag
from .verdict import caution_of, correct_bonferroni, decide, flags_of, spend


@dataclass(frozen=True)
class Comparison:
    """The outcome of `compare_seeds`.

    Attributes:
        outcome: "better", "worse", "equivalent", "not distinguishable" or "no verdict", of a compared with b.
        low, high: 95 % interval of a minus b over the complete pairs, not corrected; NaN with fewer than two pairs.
        p_value: two-sided, corrected for `family` and `share`; NaN without a verdict.
        flags: runs that failed, are not finite or collapsed, such as "a: seed 2 failed", and "one seed". Failed runs
            and runs that are not finite prevent a verdict. Collapsed runs do not, but make the mean unreliable. Others
            say that one variant spreads clearly further, how few pairs are complete, and that all values look like
            fractions instead of percent.
        simultaneous: the interval at the level of all `family` comparisons, which then hold together.
        caution: how rare collapses must be for the outcome to hold, if these runs cannot exclude them; else empty.
        p_equivalent: p-value of equivalence within the margin, corrected alike; NaN without a margin.
    """

    outcome: str
    low: float
    high: float
    p_value: float
    flags: list[str]
    simultaneous: tuple[float, float] = (math.nan, math.nan)
    p_equivalent: float = math.nan
    caution: str = ""


def compare_seeds(
    a: Sequence[float | None],
    b: Sequence[float | None],
    family: int = 1,
    least_spread: float | None = None,
    *,
    metric: str | Metric = COCO_METRICS[0],
    others: Sequence[Sequence[float | None]] = (),
    margin: float | None = None,
    paired: bool = True,
    share: float = 1.0,
) -> Comparison:
    """Compare variant a with variant b by the rule of a study's report, without resampled images.

    A failed run on either side gives "no verdict": the seeds that finished may differ from the one that failed.

    Args:
        a, b: a metric by seed, AP metrics in percent as Detectron2 reports them; None for a failed run. Values at the
            same position share a seed.
        family: number of comparisons made together; p is multiplied by it (Bonferroni).
        least_spread: see `estimate`; by default the value of the metric in `bank`.
        metric: as in a study file; determines whether higher values are better, and the values of the bank.
        others: the same metric of the study's other variants with the same seeds, for the estimate of the spread.
        margin: a difference that does not matter, for the outcome "equivalent".
        paired: False if values at the same position do not share a seed: Welch's test, without `others`. Decide before
            looking at the values. a and b may then have different lengths.
        share: share of the 5 % that this look may spend (see `planning.looks`).

    Raises:
        ValueError: if paired a and b have different lengths, or `family` is less than 1.
    """
    if paired and len(a) != len(b):
        raise ValueError(f"a has {len(a)} values and b has {len(b)}: give both one per seed, None if it failed")
    if family < 1:
        raise ValueError(f"family must be the number of comparisons, 1 or more, got {family}")
    of = read_metric(metric) if isinstance(metric, str) else metric
    named = {"a": a, "b": b} | {f"other {i}": values for i, values in enumerate(others)}
    runs = [run for name, values in named.items() for run in _runs(name, values, of)]
    outcomes = [count_outcomes(name, dict(enumerate(values)), of) for name, values in (("a", a), ("b", b))]
    measured = Measurements(runs, least_spread=least_spread)
    d = measured.difference("a", "b", of) if paired else _unpaired(a, b, of, measured)
    prevented = any(found.num_without_value for found in outcomes)
    p, q = (
        math.nan if prevented else correct_bonferroni(spend(p, share), family)
        for p in (d.p_value, d.p_equivalent(margin))
    )
    outcome = decide(d, p, of.higher_is_better, q)
    simultaneous = d.interval(LEVEL * share / family)
    flags = [*flags_of(outcomes[0]), *flags_of(outcomes[1]), *spread_flag(*outcomes), *_flags_of_values(a, b, of, d)]
    return Comparison(outcome, d.low, d.high, p, flags, simultaneous, q, caution_of(measured, outcome, d, outcomes, of))


def _flags_of_values(
    a: Sequence[float | None], b: Sequence[float | None], metric: Metric, d: Estimate
) -> Iterator[str]:
    """Flags about values that look like fractions, and about too few of them."""
    if metric.is_percent and 0 < max([0.0, *(abs(v) for v in (*a, *b) if _is_finite(v))]) <= 1:
        yield f"all values are at most 1: {metric.name} is in percent here"
    if len(a) == 1:
        yield "one seed"
    elif d.num_seeds < 2:
        yield f"complete pairs: {d.num_seeds}, and a verdict needs 2"


def _runs(name: str, values: Sequence[float | None], metric: Metric) -> list[RunResult]:
    """Run results. Values that are not finite count as failed here, so that the other pairs give an interval."""
    return [
        RunResult(name, seed, "", 0.0, {metric.key: value}, "" if _is_finite(value) else "failed")
        for seed, value in enumerate(values)
    ]


def _is_finite(value: float | None) -> bool:
    return value is not None and math.isfinite(value)


def _unpaired(a: Sequence, b: Sequence, metric: Metric, measured: Measurements) -> Estimate:
    kept = [[v for v in values if _is_finite(v)] for values in (a, b)]
    return estimate_unpaired(*kept, measured.least_spread_of(metric, min(map(len, kept))))
