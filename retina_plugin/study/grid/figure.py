"""The picture of a map: one panel per hypothesis, one square per cell."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import matplotlib
from matplotlib.axes import Axes
from matplotlib.colors import TwoSlopeNorm
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from ...inference.text import label_text
from ...pages.figures import save_figure
from ..spec.hypothesis import Hypothesis
from ..statistics.wording import BETTER, EQUIVALENT, WORSE, number, signed

if TYPE_CHECKING:
    from .grid import Axis as GridAxis
    from .grid import Grid
    from .map import CellVerdict

_STYLE = {"font.size": 10, "hatch.color": "#9a9a9a", "hatch.linewidth": 0.6}
_COLOURS = "PuOr_r"  # safe for colour-blind readers: orange above 0, purple below
_DECIDED = (BETTER, WORSE, EQUIVALENT)


def draw_map(grid: Grid, maps: Mapping[Hypothesis, Sequence[CellVerdict]], path: Path) -> Path:
    """Draw the map of a grid into a PNG file, and return its path."""
    figure = map_figure(grid.rows, grid.columns, maps)
    with matplotlib.rc_context(_STYLE):
        save_figure(figure, path)
    return path


def map_figure(rows: GridAxis, columns: GridAxis, maps: Mapping[Hypothesis, Sequence[CellVerdict]]) -> Figure:
    """The cells of every hypothesis.

    Colour and number show the difference; undecided cells are hatched, and cells without a difference are white.
    """
    height, width = len(rows.levels), len(columns.levels)
    with matplotlib.rc_context(_STYLE):
        figure = Figure(figsize=(max(len(maps), 1) * (1.35 * width + 1.4), 0.8 * height + 1.6), layout="constrained")
        panels = figure.subplots(1, max(len(maps), 1), squeeze=False)[0]
        for axes, (hypothesis, own) in zip(panels, maps.items(), strict=False):
            _draw_panel(axes, rows, columns, own, hypothesis)
        figure.supxlabel("hatched: not decided after correction for all cells; white: unknown; *: flagged", fontsize=9)
    return figure


def _draw_panel(
    axes: Axes, vertical: GridAxis, horizontal: GridAxis, cells: Sequence[CellVerdict], hypothesis: Hypothesis
) -> None:
    widest = max([1e-9, *(abs(cell.difference) for cell in cells if cell.difference is not None)])
    rows, columns = list(vertical.levels), list(horizontal.levels)
    colour_of, norm = matplotlib.colormaps[_COLOURS], TwoSlopeNorm(0.0, -widest, widest)
    for cell in cells:
        x, y = columns.index(cell.column), rows.index(cell.row)
        known = cell.difference is not None
        face = colour_of(norm(cell.difference)) if known else "white"
        hatch = "" if not known or cell.outcome in _DECIDED else "////"
        axes.add_patch(Rectangle((x - 0.5, y - 0.5), 1, 1, facecolor=face, edgecolor="#9a9a9a", hatch=hatch))
        if known:
            dark = sum(face[:3]) < 1.3  # of 3
            metric = hypothesis.metric
            text = f"{signed(cell.difference, metric)}{'*' if cell.flags else ''}"
            text += f"\n{number(cell.better, metric)} vs {number(cell.than, metric)}"
            weight = "bold" if cell.outcome in _DECIDED else "normal"
            box = {"facecolor": face, "edgecolor": "none", "pad": 1.5}
            colour = "white" if dark else "black"
            axes.text(x, y, text, ha="center", va="center", fontsize=9, weight=weight, color=colour, bbox=box)
    names = [label_text(name) for name in (hypothesis.better, hypothesis.than, hypothesis.metric.name)]
    axes.set_title("{} minus {}, {}".format(*names), fontsize=11)
    axes.set_xticks(range(len(columns)), map(label_text, columns))
    axes.set_yticks(range(len(rows)), map(label_text, rows))
    axes.set(xlim=(-0.5, len(columns) - 0.5), ylim=(len(rows) - 0.5, -0.5))
    axes.set(xlabel=label_text(horizontal.name), ylabel=label_text(vertical.name))
