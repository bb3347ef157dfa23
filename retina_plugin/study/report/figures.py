"""Figures of a study: levels by seed, training curves with bands, precision over recall."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ...run_folder import read_metrics
from ..statistics.measurements import Measurements
from .plots import colour_of, new_panel

__all__ = ["draw_levels", "draw_precision", "draw_training"]

_MOST_POINTS = 200  # of a training curve
_MARKED_POINTS = 12
_PANELS = {
    "bbox/AP": "AP on the test data",
    "loss_cls": "classification loss, log scale",
    "loss_box_reg": "box loss",
}


def draw_levels(measurements: Measurements, variants: Sequence[str], metric: str) -> Figure:
    """A metric of every run as a dot, and each variant's mean with its 95 % interval."""
    figure, axes = new_panel(f"{metric} of every run, mean and 95 % interval", metric, height=3.4)
    for place, name in enumerate(variants):
        colour, level = colour_of(name, variants), measurements.level(name, metric)
        values = [r.value(metric) for r in measurements.finished(name).values()]
        axes.plot(values, [place] * len(values), "o", color=colour, alpha=0.55, markersize=6)
        axes.plot([level.mean], [place], "|", color=colour, markersize=20, markeredgewidth=2.5)
        if not math.isnan(level.low):
            axes.plot([level.low, level.high], [place, place], color=colour, linewidth=2)
    axes.set_yticks(range(len(variants)), variants)
    axes.set_ylim(len(variants) - 0.5, -0.5)
    return figure


def draw_training(measurements: Measurements, variants: Sequence[str]) -> list[Figure]:
    """AP and losses over iterations: mean over seeds, a band from least to most, and each seed as a thin line."""
    lines = {r.run_dir: read_metrics(r.run_dir) for r in measurements.results}
    figures = []
    for key, title in _PANELS.items():
        figure, axes = new_panel(title, "iteration")
        for name in variants:
            runs = [lines[r.run_dir] for r in measurements.finished(name).values()]
            curves = [_curve(run, key) for run in runs]
            _band(axes, [c for c in curves if c.size], colour_of(name, variants), name)
        if key == "loss_cls":
            axes.set_yscale("log")
        else:
            axes.set_ylim(bottom=0)
        axes.legend(frameon=False, fontsize=10)
        figures.append(figure)
    return figures


def _curve(metrics: Sequence[dict], key: str) -> np.ndarray:
    """(2, P) iterations and values, evenly thinned."""
    points = [(m["iteration"], m[key]) for m in metrics if m.get(key) is not None]
    step = math.ceil(len(points) / _MOST_POINTS) or 1
    return np.array(points[::-1][::step][::-1], float).T


def _band(axes: Axes, curves: Sequence[np.ndarray], colour: str, label: str) -> None:
    if not curves:
        return
    x = curves[0][0]
    values = np.stack([np.interp(x, *curve) for curve in curves])
    marker = "." if len(x) <= _MARKED_POINTS else None  # a single evaluation is no line
    axes.plot(x, values.mean(axis=0), color=colour, linewidth=2, marker=marker, label=label)
    if len(curves) > 1:
        axes.fill_between(x, values.min(axis=0), values.max(axis=0), color=colour, alpha=0.15)
        axes.plot(x, values.T, color=colour, linewidth=0.6, alpha=0.6)


def draw_precision(measurements: Measurements, variants: Sequence[str]) -> list[Figure]:
    """Precision over recall, mean over categories: at IoU .5, and mean over .5 to .95. Needs results by image."""
    if not measurements.evidence:
        return []
    figures = []
    for title, thresholds in (("IoU .5", slice(0, 1)), ("mean of IoU .5 to .95", slice(None))):
        figure, axes = new_panel(f"precision over recall, {title}", "recall", "precision")
        for name in variants:
            runs = [measurements.evidence[name, seed] for seed in measurements.finished(name)]
            curves = [_recall_curve(run.matches.precision[thresholds]) for run in runs]
            _band(axes, curves, colour_of(name, variants), name)
        axes.set(xlim=(0, 1), ylim=(0, 1.02))
        axes.legend(frameon=False, fontsize=10)
        figures.append(figure)
    return figures


def _recall_curve(precision: np.ndarray) -> np.ndarray:
    """(2, 101) from (T, 101, K)."""
    return np.stack([np.linspace(0, 1, 101), np.nanmean(precision, axis=(0, 2))])
