"""Corrections of p-values for multiple comparisons."""

import math
from collections.abc import Sequence


def correct_bonferroni(p_value: float, family: int) -> float:
    """Bonferroni's correction for a number of comparisons; NaN stays NaN."""
    return p_value if math.isnan(p_value) else min(1.0, family * p_value)


def correct_holm(p_values: Sequence[float]) -> list[float]:
    """Holm's step-down correction for multiple comparisons. NaN counts as a comparison whose p is 1, and stays NaN.

    Source: Holm 1979, A simple sequentially rejective multiple test procedure.
    """
    corrected, highest = [math.nan] * len(p_values), 0.0
    known = sorted((p, i) for i, p in enumerate(p_values) if not math.isnan(p))
    for rank, (p, i) in enumerate(known):
        highest = max(highest, min(1.0, (len(p_values) - rank) * p))
        corrected[i] = highest
    return corrected
