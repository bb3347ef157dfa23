"""Compare two variants by one metric value per seed, outside of a study."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from .estimate import LEAST_SPREAD, estimate
from .verdict import decide


@dataclass(frozen=True)
class Comparison:
    """The outcome of `compare_seeds`.

    Attributes:
        outcome: "better", "worse", "not distinguishable" or "no verdict", of a compared with b.
        low, high: 95 % interval of a minus b over the complete pairs, not corrected; NaN with fewer than two pairs.
        p_value: two-sided, corrected for `family`; NaN without a verdict.
        flags: what prevents a verdict, such as "a: seed 2 failed" or "one seed".
    """

    outcome: str
    low: float
    high: float
    p_value: float
    flags: list[str]


def compare_seeds(
    a: Sequence[float | None], b: Sequence[float | None], family: int = 1, least_spread: float = LEAST_SPREAD
) -> Comparison:
    """Compare variant a with variant b by the rule of a study's report, without resampled images.

    A failed run on either side gives "no verdict": the seeds that finished may differ from the one that failed.

    Args:
        a, b: a metric in percent by seed, None for a failed run; values of one position share a seed. Higher values
            are better: swap a and b for a loss.
        family: number of comparisons made together; p is multiplied by it (Bonferroni).
        least_spread: see `estimate`; 0 for metrics that are not in percent.

    Raises:
        ValueError: if a and b have different lengths, or `family` is less than 1.
    """
    if len(a) != len(b):
        raise ValueError(f"a has {len(a)} values and b has {len(b)}: give both one per seed, None if it failed")
    if family < 1:
        raise ValueError(f"family must be the number of comparisons, 1 or more, got {family}")
    flags = [*_failures("a", a), *_failures("b", b)]
    pairs = [x - y for x, y in zip(a, b, strict=True) if _is_finite(x) and _is_finite(y)]
    if len(a) == 1:
        flags.append("one seed")
    elif len(pairs) < 2:
        flags.append(f"complete pairs: {len(pairs)}, and a verdict needs 2")
    difference = estimate(pairs, least_spread=least_spread)
    p_value = math.nan if flags else min(1.0, family * difference.p_value)
    return Comparison(decide(difference, p_value), difference.low, difference.high, p_value, flags)


def _is_finite(value: float | None) -> bool:
    return value is not None and math.isfinite(value)


def _failures(name: str, values: Sequence[float | None]) -> list[str]:
    return [
        f"{name}: seed {i} " + ("failed" if value is None else f"is not finite ({value})")
        for i, value in enumerate(values)
        if not _is_finite(value)
    ]
