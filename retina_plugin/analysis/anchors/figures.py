"""Figures of boxes and anchors. They take one analysis, or two by name: before and after a search."""

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, ScalarFormatter

from ...pages.figures import COLOURS, new_panel
from .analyze import Analysis
from .recall import recall_over_side, side_edges
from .tables import threshold

MARKERS = "osD^vP*X"
_STYLES = ("-", "--")
_STATES = (  # of a box: name, colour, hatch
    ("anchor of its own", COLOURS[0], ""),
    ("low-quality match only", COLOURS[5], "///"),
    ("no foreground anchor", COLOURS[3], "xxx"),
)
_MOST_DOTS = 3000


def shapes_figure(analyses: Mapping[str, Analysis], name: str) -> Figure:
    """Width and height of boxes and of the anchors of one analysis, on the same axes for all analyses."""
    analysis = analyses[name]
    figure, axes = new_panel(f"Shapes of boxes and anchors, {name}", "width, pixels", "height, pixels")
    sides = analysis.assignment.sides.numpy()
    dots = sides[np.random.default_rng(0).permutation(len(sides))[:_MOST_DOTS]]
    axes.scatter(*dots.T, s=6, color="0.55", alpha=0.5, linewidths=0, label="boxes", rasterized=True)
    for i, (level, cells) in enumerate(_cell_sides(analysis).items()):
        style = dict(marker=MARKERS[i % len(MARKERS)], color=COLOURS[i % len(COLOURS)])
        axes.plot(*cells.T, ls="", ms=6, mec="k", mew=0.6, label=level, **style)
    shapes = np.concatenate([dots, *(sides for x in analyses.values() for sides in _cell_sides(x).values())])
    _draw_bands(axes, analysis, shapes.min() / 1.3, shapes.max() * 1.3)
    _log_pixels(axes, "xy")
    axes.legend(frameon=False, fontsize=8, loc="upper left", ncols=2)
    return figure


def recall_figure(analyses: Mapping[str, Analysis]) -> Figure:
    """Over the side of a box: shares that anchors match, and how many boxes there are."""
    figure, axes = new_panel("Boxes that anchors match", "side of the box, pixels", "share of boxes")
    edges = side_edges(next(iter(analyses.values())).assignment)
    middle = np.sqrt(edges[1:] * edges[:-1])
    for i, (name, analysis) in enumerate(analyses.items()):
        count, reachable, trained = recall_over_side(analysis.assignment, edges).T
        known = count > 0
        label = f"{name}: " if len(analyses) > 1 else ""
        style = dict(color=COLOURS[i], marker="os"[i], ms=4)
        axes.plot(
            middle[known], reachable[known], ls="-", label=f"{label}an anchor at IoU {threshold(analysis)}", **style
        )
        style |= dict(mfc="none", lw=1)
        axes.plot(middle[known], trained[known], ls=":", label=f"{label}a foreground anchor", **style)
    axes.stairs(count / count.max(), edges, fill=True, color="0.88", zorder=0, label="number of boxes, relative")
    _log_pixels(axes, "x")
    axes.set_ylim(-0.03, 1.05)
    axes.legend(frameon=False, fontsize=8, loc="upper center", bbox_to_anchor=(0.5, -0.2), ncols=2)
    return figure


def iou_figure(analyses: Mapping[str, Analysis]) -> Figure:
    """Distribution of the best IoU of a box with any anchor."""
    figure, axes = new_panel("Best anchor of a box", "highest IoU with an anchor", "share of boxes")
    for i, (name, analysis) in enumerate(analyses.items()):
        iou = analysis.assignment.best_iou.numpy()
        counts, edges = np.histogram(iou, bins=40, range=(0, 1))
        axes.stairs(counts / len(iou), edges, color=COLOURS[i], ls=_STYLES[i], lw=1.8, label=name)
    axes.axvline(analysis.detector.threshold, color="k", ls=":", label="foreground from here")
    axes.set_xlim(0, 1)
    axes.legend(frameon=False, fontsize=8)
    return figure


def levels_figure(name: str, analysis: Analysis) -> Figure:
    """Boxes by the level of their best anchor, and whether they get an anchor."""
    figure, axes = new_panel(f"Boxes by level, {name}", "level of the best anchor", "number of boxes")
    own, low = analysis.assignment.own, analysis.assignment.low_quality_only
    below, places = np.zeros(len(analysis.detector.levels)), range(len(analysis.detector.levels))
    for (label, colour, hatch), chosen in zip(_STATES, (own, low, ~own & ~low), strict=True):
        count = np.bincount(analysis.assignment.best_level[chosen].numpy(), minlength=len(below))
        axes.bar(places, count, bottom=below, color=colour, hatch=hatch, edgecolor="white", label=label)
        below = below + count
    axes.set_xticks(places, analysis.detector.levels)
    axes.set_ylim(0, below.max() * 1.3)
    axes.legend(frameon=False, fontsize=8, loc="upper right")
    return figure


def _cell_sides(analysis: Analysis) -> dict[str, np.ndarray]:
    """(A, 2) widths and heights of the anchors at a location, by level."""
    cells = [x.numpy() for x in analysis.detector.model.anchor_generator.cell_anchors]
    return {level: x[:, 2:] - x[:, :2] for level, x in zip(analysis.detector.levels, cells, strict=True)}


def _draw_bands(axes: Axes, analysis: Analysis, low: float, high: float) -> None:
    """Bands between the smallest and the largest area of every level's anchors."""
    width = np.array([low, high])
    for i, cells in enumerate(_cell_sides(analysis).values()):
        areas = cells.prod(axis=1)
        axes.fill_between(
            width, areas.min() / width, areas.max() / width, color=COLOURS[i % len(COLOURS)], alpha=0.12, lw=0
        )
    axes.set(xlim=(low, high), ylim=(low, high))


def _log_pixels(axes: Axes, which: str) -> None:
    for letter in which:
        getattr(axes, f"set_{letter}scale")("log", base=2)
        low, high = getattr(axes, f"get_{letter}lim")()
        axis = getattr(axes, f"{letter}axis")
        axis.set_major_locator(LogLocator(base=2, subs=(1,) if high > 6 * low else (1, 1.25, 1.5, 1.75)))
        axis.set_major_formatter(ScalarFormatter())
