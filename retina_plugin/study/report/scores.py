"""What a report says about the scores of detections."""

import math
import re
from collections.abc import Sequence
from typing import Any

from ..spec.metrics import read_metric
from ..statistics.measurements import Measurements

_ABOVE = re.compile(r"bbox/AP_above_(\S+)")


def above_thresholds(measurements: Measurements, variants: Sequence[str]) -> dict[str, dict[str, dict[str, Any]]]:
    """By score threshold and variant, "mean", "spread" and "text" of the AP of detections with a score above it.

    Empty if no run reports such an AP, which is so if it was evaluated with its threshold.
    """
    keys = {key for result in measurements.results for key in result.metrics}
    found = sorted((match[1], key) for key in keys if (match := _ABOVE.fullmatch(key)))
    return {threshold: {name: _ap(measurements, name, key) for name in variants} for threshold, key in found}


def _ap(measurements: Measurements, variant: str, key: str) -> dict[str, Any]:
    found = measurements.mean(variant, read_metric(key))
    text = "–" if math.isnan(found.mean) else f"{found.mean:.1f}"
    return {"mean": found.mean, "spread": found.spread, "text": text + _spread_text(found.spread)}


def _spread_text(spread: float) -> str:
    return "" if math.isnan(spread) else f" ± {spread:.1f}"
