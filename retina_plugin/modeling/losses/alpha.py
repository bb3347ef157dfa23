"""The weight alpha that balances foreground and background."""

import math
from collections.abc import Iterable, Sequence

from .checks import check_number, check_setting


def normalize_alpha(alpha: float | Sequence[float] | None) -> float | tuple[float, ...] | None:
    """`alpha` as a float or a tuple of floats, also from a `ListConfig`; ValueError for a weight outside [0, 1]."""
    if alpha is None:
        return None
    try:
        values = tuple(map(float, alpha if isinstance(alpha, Iterable) else [alpha]))
    except (TypeError, ValueError):  # not numbers
        values = (math.nan,)
    check_setting("alpha", alpha, all(0 <= value <= 1 for value in values), "in [0, 1] or null")
    return values if isinstance(alpha, Iterable) else values[0]


def effective_number_alpha(class_counts: Sequence[int], beta: float = 0.999, alpha: float = 0.25) -> list[float]:
    """A weight per class that is larger for classes with fewer objects.

    A class with n objects has the weight w = (1 - beta) / (1 - beta^n), scaled to a mean of 1. The paper multiplies
    the loss of a sample by w. Here w multiplies the odds alpha / (1 - alpha) between a class and its background, which
    keeps every weight in (0, 1) and gives `alpha` back for equal counts. Arguments out of range raise a ValueError.
    Source: "Class-Balanced Loss Based on Effective Number of Samples", equation 4.

    Args:
        class_counts: objects of every class in the training set, (K,).
        beta: in [0, 1): 0 ignores the counts; near 1 the weights are proportional to 1 / n.
        alpha: the weight for equal counts, strictly between 0 and 1.
    """
    check_number("alpha.beta", beta, "in [0, 1)", lambda x: 0 <= x < 1)
    check_number("alpha.alpha", alpha, "between 0 and 1", lambda x: 0 < x < 1)
    counts = list(class_counts)
    check_setting("alpha.class_counts", counts, min(counts, default=0) >= 1, "1 or more")
    weights = [(1 - beta) / (1 - beta**count) for count in counts]
    mean = sum(weights) / len(weights)
    odds = [weight / mean * alpha / (1 - alpha) for weight in weights]
    return [x / (1 + x) for x in odds]
