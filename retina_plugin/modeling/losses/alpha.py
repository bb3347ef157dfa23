"""Checks of losses and their settings, and the weight alpha that balances foreground and background."""

import math
from collections.abc import Callable, Iterable, Sequence

from torch import nn


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


def check_number(name: str, value: float, expected: str, fits: Callable[[float], bool]) -> None:
    """`check_setting` for a setting that is a finite number for which `fits` is true."""
    try:
        is_valid = math.isfinite(value) and fits(value)
    except TypeError:  # not a number
        is_valid = False
    check_setting(name, value, is_valid, expected)


def check_setting(name: str, value: object, is_valid: bool, expected: str) -> None:
    """Raise a ValueError that names the config key of a classification loss, unless `is_valid`."""
    if not is_valid:
        raise ValueError(f"model.cls_loss.{name} must be {expected}, got {value}")


def check_kind(key: str, loss: object, kind: type[nn.Module]) -> None:
    """Raise a ValueError unless `loss`, the value of a key such as "model.cls_loss", is an instance of `kind`."""
    if not isinstance(loss, kind):
        group = "box_losses" if "box" in key else "losses"
        raise ValueError(
            f"{key} is of class {type(loss).__name__}, not a {kind.__name__}: set {key}='${{{group}.NAME}}', or a "
            f"subclass of retina_plugin.modeling.losses.{kind.__name__}"
        )
