"""Failed and collapsed runs as outcomes of a variant: how many there were, and how many to expect."""

import math
from dataclasses import dataclass
from statistics import median, stdev

from scipy.special import betaincinv, fdtrc

from ..spec.metrics import Metric

COLLAPSED = 0.5  # a run below this fraction of the median of the other runs has collapsed
HEALTHY = 5.0  # percent; if the other runs have a lower median, they learned nothing that could collapse


@dataclass(frozen=True)
class Outcomes:
    """How the runs of a variant ended.

    Attributes:
        num_runs: number of runs that ended.
        failed: seeds without a result.
        not_finite: seeds whose metric is not finite, as after a divergence.
        collapsed: seeds whose metric is far worse than in the variant's other runs, see `find_collapsed`.
        low, high: exact 95 % interval of the share of runs that fail, diverge or collapse.
        num_finite, spread: number of finite values, and their standard deviation.
    """

    variant: str
    num_runs: int
    failed: tuple[int, ...]
    not_finite: tuple[int, ...]
    collapsed: tuple[int, ...]
    low: float
    high: float
    num_finite: int = 0
    spread: float = math.nan

    @property
    def num_without_value(self) -> int:
        """Number of runs that failed or diverged."""
        return len(self.failed) + len(self.not_finite)

    @property
    def num_bad(self) -> int:
        """Number of runs that failed, diverged or collapsed."""
        return self.num_without_value + len(self.collapsed)


def count_outcomes(variant: str, values: dict[int, float | None], metric: Metric) -> Outcomes:
    """The outcomes of a variant, from its metric by seed, which is None for a failed run."""
    failed = tuple(seed for seed, value in values.items() if value is None)
    not_finite = tuple(seed for seed, value in values.items() if value is not None and not math.isfinite(value))
    finite = {seed: value for seed, value in values.items() if value is not None and math.isfinite(value)}
    collapsed = find_collapsed(finite, metric.higher_is_better, HEALTHY if metric.is_percent else 0.0)
    low, high = exact_interval(len(failed) + len(not_finite) + len(collapsed), len(values))
    spread = stdev(finite.values()) if len(finite) > 1 else math.nan
    return Outcomes(variant, len(values), failed, not_finite, collapsed, low, high, len(finite), spread)


def find_collapsed(values: dict[int, float], higher_is_better: bool = True, healthy: float = 0.0) -> tuple[int, ...]:
    """Seeds whose value is below half the median of the variant's other runs, or above twice, if lower is better.

    Collapse is defined by a ratio, because three runs do not give a reliable standard deviation. A variant with all
    runs near 0 has learned nothing and did not collapse: medians below `healthy` do not count. With a negative value
    the result is empty.
    """
    if len(values) < 2 or min(values.values()) < 0:
        return ()
    found = []
    for seed, value in values.items():
        typical = median(v for s, v in values.items() if s != seed)
        good, bad = (typical, value) if higher_is_better else (value, typical)
        if bad < COLLAPSED * good and typical >= healthy:
            found.append(seed)
    return tuple(found)


def spread_flag(a: Outcomes, b: Outcomes) -> list[str]:
    """A flag if one of two variants spreads clearly further (F-test, two-sided, 10 %), unless a run collapsed.

    The difference then mainly follows the distribution of that variant. If this is skewed, a few seeds too often agree
    on the wrong sign, which their values do not reveal.
    """
    wide, narrow = (a, b) if a.spread > b.spread else (b, a)
    if not narrow.spread < wide.spread or a.collapsed or b.collapsed:
        return []
    ratio = (wide.spread / narrow.spread) ** 2 if narrow.spread else math.inf
    if fdtrc(wide.num_finite - 1, narrow.num_finite - 1, ratio) >= 0.05:
        return []
    return [f"{wide.variant} spreads clearly further than {narrow.variant}"]


def exact_interval(number: int, total: int) -> tuple[float, float]:
    """Clopper and Pearson's 95 % interval of a share, from `number` of `total` runs; (0, 1) if `total` is 0.

    Source: Clopper and Pearson 1934, The use of confidence or fiducial limits illustrated in the case of the binomial.
    """
    if total == 0:
        return 0.0, 1.0
    low = float(betaincinv(number, total - number + 1, 0.025)) if number else 0.0
    high = float(betaincinv(number + 1, total - number, 0.975)) if number < total else 1.0
    return low, high
