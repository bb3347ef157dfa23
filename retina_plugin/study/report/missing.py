"""Metrics that a study asks for and its runs do not report."""

from __future__ import annotations

import difflib
import math
from collections.abc import Sequence

from ..spec.metrics import Metric
from ..statistics.measurements import Measurements, Row

__all__ = ["missing_metrics", "without_images"]


def missing_metrics(measurements: Measurements, metrics: Sequence[Metric]) -> dict[str, str]:
    """By name, why a metric has no value in any finished run; empty if no run finished."""
    lines = [result.metrics for result in measurements.results if not result.error]
    reported = sorted({key for line in lines for key in line if key != "iteration"})
    return {
        metric.name: _reason(metric, reported)
        for metric in metrics
        if lines and all(math.isnan(metric.value(line)) for line in lines)
    }


def _reason(metric: Metric, reported: Sequence[str]) -> str:
    if metric.key in reported:
        return "NaN in every run, as for sizes or categories that the test data do not contain"
    nearest = difflib.get_close_matches(metric.key, reported, n=3, cutoff=0.3)
    text = f"no run reports {metric.key!r}"
    return f"{text}; the nearest keys in metrics.json are {', '.join(nearest)}" if nearest else text


def without_images(measurements: Measurements, rows: Sequence[Row]) -> list[str]:
    """Names of the metrics whose intervals are based on seeds only, although test images could be resampled."""
    means = [item for row in rows for item in row.mean.items()]
    found = {name for name, mean in means if not math.isnan(mean.mean) and not mean.num_images}
    return sorted(found) if measurements.num_images else []
