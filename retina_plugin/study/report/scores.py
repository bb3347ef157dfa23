"""The parts of a report about the scores of detections: AP above thresholds, calibration, reliability."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from ...evaluation.calibration import calibration_metrics, equal_width_bins
from ...pages.figures import COLOURS, legend_text, new_panel
from ..evidence.matching import Matches
from ..spec.metrics import read_metric
from ..statistics.measurements import Measurements
from .render import mean_and_spread

_ABOVE = re.compile(r"bbox/AP_above_(\S+)")


def above_thresholds(measurements: Measurements, variants: Sequence[str]) -> dict[str, dict[str, dict[str, Any]]]:
    """By score threshold and variant, "mean", "spread" and "text" of the AP of detections with a score above it.

    Empty if no run reports such an AP, as after an evaluation with a score threshold.
    """
    keys = {key for result in measurements.results for key in result.metrics}
    found = sorted((match[1], key) for key in keys if (match := _ABOVE.fullmatch(key)))
    return {threshold: {name: _ap(measurements, name, key) for name in variants} for threshold, key in found}


def _ap(measurements: Measurements, variant: str, key: str) -> dict[str, Any]:
    metric = read_metric(key)
    found = measurements.mean(variant, metric)
    return {"mean": found.mean, "spread": found.spread, "text": mean_and_spread(found, metric)}


def calibrations(measurements: Measurements, variants: Sequence[str]) -> dict[str, dict[str, float]]:
    """By variant and name, means over runs of `calibration_metrics`; empty without results by image."""
    scored = _scored_by_variant(measurements, variants)
    return {
        variant: {name: float(np.mean([run[name] for run in runs])) for name in runs[0]}
        for variant, own in scored.items()
        if (runs := [calibration_metrics(*run) for run in own])
    }


def draw_reliability(measurements: Measurements, variants: Sequence[str]) -> list[Figure]:
    """Share of correct detections over their score, one line per variant with all its runs; none without evidence."""
    scored = _scored_by_variant(measurements, variants)
    if not scored:
        return []
    figure, axes = new_panel("correct detections by score, IoU .5", "mean score of a bin", "share that is correct")
    axes.plot([0, 1], [0, 1], color="#888888", linestyle=":", linewidth=1)
    for place, name in enumerate(variants):
        bins = equal_width_bins(*map(np.concatenate, zip(*scored[name], strict=True))) if scored.get(name) else None
        if bins is not None:
            style = {"color": COLOURS[place % len(COLOURS)], "marker": ".", "label": legend_text(name)}
            axes.plot(bins.score, bins.precision, **style)
    axes.set(xlim=(0, 1), ylim=(0, 1.02))
    axes.legend(frameon=False, fontsize=10)
    return [figure]


def _scored_by_variant(
    measurements: Measurements, variants: Sequence[str]
) -> Mapping[str, list[tuple[np.ndarray, np.ndarray]]]:
    """Scores and labels of the detections of every run by variant; empty without results by image."""
    if not measurements.evidence:
        return {}
    return {
        name: [_scored(measurements.evidence[name, seed].matches) for seed in measurements.finished(name)]
        for name in variants
    }


def _scored(matches: Matches) -> tuple[np.ndarray, np.ndarray]:
    """(D,) scores and labels of a run's detections that count at IoU .5, over all areas and categories."""
    counted = [(c, ~c.ignored[0]) for c in matches.ranked[0]]
    scores = np.concatenate([c.score[kept] for c, kept in counted])
    return scores, np.concatenate([c.matched[0][kept] for c, kept in counted])
