"""Checks of the settings of losses, and the weight alpha between classes and background."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

__all__ = ["check_setting", "effective_number_alpha", "normalize_alpha"]


def normalize_alpha(alpha: float | Sequence[float] | None) -> float | tuple[float, ...] | None:
    """`alpha` as a float or a tuple of floats, also if a config passes it as a `ListConfig`.

    Raises:
        ValueError: if a weight is not in [0, 1].
    """
    values = tuple(alpha) if isinstance(alpha, Iterable) else () if alpha is None else (alpha,)
    for value in values:
        check_setting("alpha", alpha, 0 <= value <= 1, "in [0, 1] or null")
    if isinstance(alpha, Iterable):
        return tuple(float(value) for value in values)
    return None if alpha is None else float(alpha)


def effective_number_alpha(class_counts: Sequence[int], beta: float = 0.999, alpha: float = 0.25) -> list[float]:
    """A weight per class that is larger for classes with fewer objects.

    A class with n objects has the weight w = (1 - beta) / (1 - beta^n), scaled to a mean of 1. The paper multiplies
    the loss of a sample by w. Here w multiplies the odds alpha / (1 - alpha) between a class and its background, which
    keeps every weight in (0, 1) and gives `alpha` back for equal counts.
    Source: "Class-Balanced Loss Based on Effective Number of Samples", equation 4.

    Args:
        class_counts: objects of every class in the training set, (K,).
        beta: in [0, 1): 0 ignores the counts; near 1 the weights are proportional to 1 / n.
        alpha: the weight for equal counts, strictly between 0 and 1.

    Raises:
        ValueError: if an argument is out of range.
    """
    check_setting("alpha.beta", beta, 0 <= beta < 1, "in [0, 1)")
    check_setting("alpha.alpha", alpha, 0 < alpha < 1, "between 0 and 1")
    counts = list(class_counts)
    check_setting("alpha.class_counts", counts, min(counts, default=0) >= 1, "1 or more")
    weights = [(1 - beta) / (1 - beta**count) for count in counts]
    mean = sum(weights) / len(weights)
    odds = [weight / mean * alpha / (1 - alpha) for weight in weights]
    return [x / (1 + x) for x in odds]


def check_setting(name: str, value: object, is_valid: bool, expected: str) -> None:
    """Raise an error that names the argument of a classification loss by its config key.

    Raises:
        ValueError: unless `is_valid`.
    """
    if not is_valid:
        raise ValueError(f"model.cls_loss.{name} must be {expected}, got {value}")
