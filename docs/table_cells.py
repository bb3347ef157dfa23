"""Numbers as the tables of the documents show them.

A cell of None stays as it stands: it holds words or links, or its source is not in docs/results.
"""

from collections.abc import Iterable
from typing import Any

import numpy as np

METRICS = ("AP", "AP50", "AP75", "APs", "APm", "APl")
Rows = list[list[str | None]]


def spread(value: list[float | None]) -> str:
    mean, spread = value
    return f"{mean:.1f}" if spread is None else f"{mean:.1f} ± {spread:.1f}"


def signed(value: float) -> str:
    return f"{value:+.1f}".replace("-", "−") if abs(value) >= 0.05 else "0.0"


def p_value(p: float) -> str:
    """Two digits from .01 to 1, as in .10, and two significant ones below."""
    if p == 1:
        return "1"
    return (f"{p:.2f}" if p > 0.0995 else np.format_float_positional(float(f"{p:.2g}"))).removeprefix("0")


def differences(found: Iterable[list[float]]) -> Rows:
    """Mean, interval and p of differences, each (mean, low, high, p)."""
    return [[None, signed(m), f"{signed(low)} to {signed(high)}", p_value(p)] for m, low, high, p in found]


def difference(mean: float, low: float, high: float, p: float | None = None) -> str:
    """A difference with its interval, and p where it is given, in one cell."""
    text = f"{signed(mean)} ({signed(low)} to {signed(high)})"
    return text if p is None else f"{text}, p = {p_value(p)}"


def pair_of(found: dict[str, Any], ce: str, focal: str, with_p: bool = True) -> list[str]:
    """AP of cross entropy, of focal loss, and the difference with its interval and p."""
    mean, low, high, p = found["verdicts"][f"{focal} − {ce} in AP"]
    lead = difference(mean, low, high, p if with_p else None)
    return [spread(found["rows"][ce]["AP"]), spread(found["rows"][focal]["AP"]), lead]


def of_run(found: dict[str, float | None], metrics: tuple[str, ...]) -> list[str]:
    values = [found.get(f"bbox/{m}") for m in metrics]
    return ["–" if x is None or x != x else f"{x:.1f}" for x in values]
