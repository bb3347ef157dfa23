"""Figures of a study: verdicts, metrics of every run, training with bands over seeds, precision over recall."""

import math
from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ...inference.text import label_text
from ...pages.figures import COLOURS, legend_text, new_panel
from ...run_folder import read_metrics
from ..spec.metrics import Metric
from ..statistics.measurements import Measurements
from ..statistics.verdict import Verdict

_MOST_POINTS = 200  # of one line
_MARKED_POINTS = 12  # up to this many points have markers: a line of one point is not visible
_HALF = 48  # percent of the width of a bar, from the centre to the end of the widest interval


def effect_bars(verdicts: Sequence[Verdict]) -> list[dict[str, float] | None]:
    """Per verdict, left, centre and right of its interval in percent of the width; None without an interval.

    50 means no difference; to the right of it the hypothesis holds. Bars of one metric have the same scale.
    """
    widest: dict[str, float] = {}
    for v in verdicts:
        name, d = v.hypothesis.metric.name, v.difference
        if not math.isnan(d.low):
            widest[name] = max(abs(d.low), abs(d.high), widest.get(name, 1e-9))
    return [None if math.isnan(v.difference.low) else _bar(v, widest[v.hypothesis.metric.name]) for v in verdicts]


def _bar(verdict: Verdict, widest: float) -> dict[str, float]:
    d, sign = verdict.difference, 1 if verdict.hypothesis.metric.higher_is_better else -1
    left, centre, right = sorted(50 + sign * (_HALF / widest) * x for x in (d.low, d.mean, d.high))
    return {"left": left, "centre": centre, "right": right}


def draw_means(measurements: Measurements, variants: Sequence[str], metric: Metric) -> Figure:
    """A metric of every run as a dot, and the mean of each variant with its 95 % interval."""
    label = label_text(metric.name)
    title = f"{label} of every run, mean and 95 % interval"
    figure, axes = new_panel(title, f"{label}, {label_text(metric.note)}" if metric.note else label)
    for place, name in enumerate(variants):
        colour, mean = COLOURS[place % len(COLOURS)], measurements.mean(name, metric)
        values = [metric.value(r.metrics) for r in measurements.finished(name).values()]
        axes.plot(values, [place] * len(values), "o", color=colour, alpha=0.55, markersize=6)
        axes.plot([mean.mean], [place], "|", color=colour, markersize=20, markeredgewidth=2.5)
        if not math.isnan(mean.low):
            axes.plot([mean.low, mean.high], [place, place], color=colour, linewidth=2)
    axes.set_yticks(range(len(variants)), map(label_text, variants))
    axes.set_ylim(len(variants) - 0.5, -0.5)
    return figure


def draw_training(measurements: Measurements, variants: Sequence[str], metric: Metric) -> list[Figure]:
    """A metric and the training losses over iterations: mean, lowest and highest over seeds, and every seed.

    A value that no run has gets no figure.
    """
    titles = {
        metric.key: f"{label_text(metric.name)} on the test data",
        "loss_cls": "classification loss, log scale",
        "loss_box_reg": "box loss",
    }
    read = {r.run_dir: read_metrics(r.run_dir) for r in measurements.results}
    figures = []
    for key, title in titles.items():
        lines = {
            name: [line for r in measurements.finished(name).values() if (line := _line_of(read[r.run_dir], key)).size]
            for name in variants
        }
        if not any(lines.values()):
            continue
        figure, axes = draw_bands(lines, title, "iteration")
        if key == "loss_cls":
            axes.set_yscale("log")
        elif key == "loss_box_reg" or metric.is_percent:
            axes.set_ylim(bottom=0)
        figures.append(figure)
    return figures


def _line_of(metrics: Sequence[dict], key: str) -> np.ndarray:
    """(2, P) iterations and values, evenly thinned out; empty if no line of metrics.json has the key."""
    points = [(m["iteration"], m[key]) for m in metrics if m.get(key) is not None]
    step = math.ceil(len(points) / _MOST_POINTS) or 1
    return np.array(points[::-1][::step][::-1], float).T


def draw_precision(measurements: Measurements, variants: Sequence[str]) -> list[Figure]:
    """Precision over recall, mean over categories, at IoU .5 and averaged over IoU .5 to .95; none without evidence."""
    if not measurements.evidence:
        return []
    figures = []
    for title, thresholds in (("IoU .5", slice(0, 1)), ("mean of IoU .5 to .95", slice(None))):
        lines = {}
        for name in variants:
            matches = [measurements.evidence[name, seed].matches for seed in measurements.finished(name)]
            means = [np.nanmean(m.precision[thresholds], axis=(0, 2)) for m in matches]  # (T, 101, K)
            lines[name] = [np.stack([np.linspace(0, 1, 101), mean]) for mean in means]
        figure, axes = draw_bands(lines, f"precision over recall, {title}", "recall", "precision")
        axes.set(xlim=(0, 1), ylim=(0, 1.02))
        figures.append(figure)
    return figures


def draw_bands(
    lines: Mapping[str, Sequence[np.ndarray]], title: str, xlabel: str, ylabel: str = ""
) -> tuple[Figure, Axes]:
    """A panel with the (2, P) lines of every variant: their mean, lowest and highest, and each line.

    Each line counts only up to its last point, because runs may end early.
    """
    figure, axes = new_panel(title, xlabel, ylabel)
    for place, (variant, own) in enumerate(lines.items()):
        if not own:
            continue
        colour = COLOURS[place % len(COLOURS)]
        x = np.unique(np.concatenate([line[0] for line in own]))
        values = np.ma.masked_invalid([np.interp(x, *line, left=np.nan, right=np.nan) for line in own])
        marker = "." if len(x) <= _MARKED_POINTS else None
        axes.plot(x, values.mean(axis=0), color=colour, linewidth=2, marker=marker, label=legend_text(variant))
        if len(own) > 1:
            axes.fill_between(x, values.min(axis=0), values.max(axis=0), color=colour, alpha=0.15)
            axes.plot(x, values.T, color=colour, linewidth=0.6, alpha=0.6)
    axes.legend(frameon=False, fontsize=10)
    return figure, axes
