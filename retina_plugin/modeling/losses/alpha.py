"""Settings of losses: weights between classes and background, and what makes a setting wrong."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

__all__ = ["check_setting", "effective_number_alpha", "normalize_alpha"]


def normalize_alpha(alpha: float | Sequence[float] | None) -> float | tuple[float, ...] | None:
    """`alpha` as Python's own numbers, whatever a config made of them.

    Raises:
        ValueError: if a weight is not in [0, 1].
    """
    values = tuple(alpha) if isinstance(alpha, Iterable) else () if alpha is None else (alpha,)
    for value in values:
        if not 0 <= value <= 1:
            raise ValueError(f"model.cls_loss.alpha must be in [0, 1] or null, got {alpha}")
    if isinstance(alpha, Iterable):
        return tuple(float(value) for value in values)
    return None if alpha is None else float(alpha)


def effective_number_alpha(
    class_counts: Sequence[int], beta: float = 0.999, alpha: float = 0.25
) -> list[float]:
    """A weight per class from the number of its objects, rare classes weighing more.

    With n objects of a class its weight is w = (1 - beta) / (1 - beta^n), scaled to a mean of 1. The paper multiplies
    the loss of a sample by w. Here w multiplies the odds alpha / (1 - alpha) between a class and its background, which
    keeps every weight in (0, 1) and gives `alpha` back for equal counts.
    Source: "Class-Balanced Loss Based on Effective Number of Samples", equation 4.

    Args:
        class_counts: objects of every class in the training set, (K,).
        beta: in [0, 1): 0 for no effect, near 1 for weights that go as 1 / n.
        alpha: the weight for equal counts, strictly between 0 and 1.

    Raises:
        ValueError: if a number is out of range.
    """
    if not 0 <= beta < 1:
        raise ValueError(f"model.cls_loss.alpha.beta must be in [0, 1), got {beta}")
    if not 0 < alpha < 1:
        raise ValueError(f"model.cls_loss.alpha.alpha must be between 0 and 1, got {alpha}")
    if len(class_counts) == 0 or min(class_counts) < 1:
        counts = list(class_counts)
        raise ValueError(f"model.cls_loss.alpha.class_counts must be 1 or more, got {counts}")
    weights = [(1 - beta) / (1 - beta**count) for count in class_counts]
    mean = sum(weights) / len(weights)
    odds = [weight / mean * alpha / (1 - alpha) for weight in weights]
    return [x / (1 + x) for x in odds]


def check_setting(name: str, value: float, fits: bool, wanted: str) -> None:
    """Complain about an argument of a classification loss.

    Raises:
        ValueError: unless it fits.
    """
    if not fits:
        raise ValueError(f"model.cls_loss.{name} must be {wanted}, got {value}")
