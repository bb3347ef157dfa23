"""Checks of losses and their settings; errors name the config key."""

import math
from collections.abc import Callable

from torch import nn


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
