"""What each factor of a factorial study does to a metric, and how the factors act together."""

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

from ..spec.factors import Factor, levels_of
from ..spec.metrics import Metric
from .estimate import Estimate
from .measurements import Measurements
from .verdict import correct_holm, spend


@dataclass(frozen=True)
class Effect:
    """The effect of one factor, or the interaction of two.

    Attributes:
        name: such as "focus: ce → focal", or "prior × focus".
        difference: for one factor, the metric at its second level minus that at its first, averaged over the levels of
            the others; for two factors, by how much the effect of one is larger at the second level of the other.
        p_corrected: two-sided, corrected (Holm) for all effects of the table; NaN if unknown or if a run failed.
    """

    name: str
    difference: Estimate
    p_corrected: float


def factor_effects(
    measurements: Measurements, factors: Sequence[Factor], metric: Metric, share: float = 1.0
) -> list[Effect]:
    """The effect of every factor and of every pair of factors, over the seeds that all variants finished.

    If a run failed there are no p-values: the seeds that finished may differ from the one that failed. `share` is the
    share of the 5 % that this look may spend, see `planning.looks`.
    Source: Box, Hunter and Hunter 2005, Statistics for Experimenters, chapter 5 (there interactions are half as large).
    """
    pairs = [(f,) for f in factors] + list(itertools.combinations(factors, 2))
    weights = [_weights(factors, chosen) for chosen in pairs]
    differences = [measurements.contrast(own, metric) for own in weights]
    failed = any(measurements.outcomes(variant, metric).failed for variant in set(itertools.chain(*weights)))
    p_values = correct_holm([math.nan if failed else spend(d.p_value, share) for d in differences])
    return [Effect(_name(c), d, p) for c, d, p in zip(pairs, differences, p_values, strict=True)]


def _weights(factors: Sequence[Factor], chosen: Sequence[Factor]) -> dict[str, float]:
    """Weight of every variant in the effect of the chosen factors."""
    size = 0.5 ** (len(factors) - len(chosen))
    signs = {
        name: math.prod(2 * i - 1 for f, i in zip(factors, levels, strict=True) if f in chosen)
        for name, levels in levels_of(factors).items()
    }
    return {name: size * sign for name, sign in signs.items()}


def _name(chosen: Sequence[Factor]) -> str:
    if len(chosen) == 1:
        return f"{chosen[0].name}: {' → '.join(chosen[0].levels)}"
    return " × ".join(factor.name for factor in chosen)
