"""Figures of the imbalance page. Lines differ in style and marker beside their colour."""

from collections.abc import Mapping, Sequence

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ....evaluation.calibration import equal_width_bins
from ....inference.text import label_text
from ....modeling.losses.base import log_odds
from ....pages.figures import COLOURS, legend_text, new_panel
from ..curves import Curve
from ..examine import OWN, Examination
from ..histogram import LIMIT, WIDTH
from ..shares import Shares

_STYLES = (("-", ""), ("--", "s"), ("-.", "^"), ("-", "o"), (":", "D"), ("--", "v"), ("-.", "P"), (":", "X"))
_POINTS = 200  # of a line
_MARKERS = 0.125  # distance between markers, in diagonals of the axes
_POOLED = 16  # bins of the histogram in one drawn bin, which is a quarter of log-odds wide
_PNG_STYLE = {"font.size": 15, "axes.spines.top": False, "axes.spines.right": False, "legend.fontsize": 13}
KINDS = ("foreground", "background")
_LINE_OF = {kind: dict(color=c, linestyle=line) for kind, c, line in zip(KINDS, COLOURS, ("-", "--"), strict=False)}


def curves_by_label(shares: Mapping[str, Shares]) -> dict[str, tuple[Curve, Curve]]:
    """Curves of foreground and background by label; the run's own loss shares a line with one that has equal curves."""
    curves = {name: (s.foreground, s.background) for name, s in shares.items() if name != OWN}
    own = shares[OWN].foreground, shares[OWN].background
    twins = [name for name, pair in curves.items() if all(map(_are_alike, pair, own))]
    if len(twins) != 1:  # before training, all curves are alike
        return curves | {OWN: own}
    return {f"{name} (its own)" if name in twins else name: pair for name, pair in curves.items()}


def _are_alike(one: Curve, other: Curve) -> bool:
    return len(one.loss) == len(other.loss) and np.allclose(one.loss, other.loss, atol=1e-9)


def draw_curves(examination: Examination) -> list[Figure]:
    """Figure 4 of the paper for one run: a panel of foreground and one of background."""
    figures = []
    for place, kind in enumerate(KINDS):
        figure, axes = new_panel(kind, f"fraction of {kind}, easiest first", "cumulative share of its loss")
        _draw_curves(axes, examination, place)
        axes.legend(frameon=False, fontsize=10, loc="upper left")
        figures.append(figure)
    return figures


def draw_figure_4(examinations: Sequence[Examination]) -> Figure:
    """Figure 4 for several runs below each other, in one picture that stays readable when it is small."""
    with matplotlib.rc_context(_PNG_STYLE):
        rows = len(examinations)
        figure = Figure(figsize=(8, 4.1 * rows), layout="constrained")
        for examination, part in zip(examinations, figure.subfigures(rows, 1, squeeze=False)[:, 0], strict=True):
            if rows > 1:
                part.suptitle(label_text(examination.name))
            panels = part.subplots(1, 2, sharey=True)
            for place, (axes, kind) in enumerate(zip(panels, KINDS, strict=True)):
                _draw_curves(axes, examination, place)
                axes.grid(alpha=0.3)
                axes.set(title=kind, xlabel=f"fraction of {kind}")
            panels[0].set_ylabel("cumulative loss")
            panels[0].legend(frameon=False, loc="upper left")
    return figure


def _draw_curves(axes: Axes, examination: Examination, place: int) -> None:
    for number, (label, pair) in enumerate(curves_by_label(examination.shares).items()):
        curve = pair[place].thinned(_POINTS)
        style, marker = _STYLES[number % len(_STYLES)]
        axes.plot(
            curve.fraction,
            curve.loss,
            color=COLOURS[number % len(COLOURS)],
            linestyle=style,
            marker=marker,
            markevery=(0.02 * number, _MARKERS),
            label=label_text(label),
            linewidth=2,
        )
    axes.set(xlim=(0, 1), ylim=(0, 1.01))


def draw_probabilities(examination: Examination) -> Figure:
    """Histogram of p_t over all elements, and the p_t of an untrained detector."""
    xray = examination.xray
    title = f"$p_t$ of every {'anchor' if xray.is_softmax else 'logit'}"
    figure, axes = new_panel(title, "log-odds of $p_t$: 0 is 0.5, 2.2 is 0.9, 4.6 is 0.99", "share, log scale")
    edges = np.arange(-LIMIT, LIMIT + WIDTH, WIDTH * _POOLED)
    for kind, style in _LINE_OF.items():
        count = xray.elements(kind == "foreground")[0].reshape(-1, _POOLED).sum(1)
        if (used := np.flatnonzero(count)).size:
            first, end = used[0], used[-1] + 1
            axes.stairs(count[first:end] / count.sum(), edges[first : end + 1], label=kind, linewidth=2, **style)
    if not np.isnan(examination.prior) and not xray.is_softmax:
        for sign, style in zip((1, -1), _LINE_OF.values(), strict=True):
            axes.axvline(sign * log_odds(examination.prior), linewidth=1, alpha=0.7, **style)
        axes.plot([], [], color="#888888", linewidth=1, label="before training, by the prior")
    axes.set_yscale("log")
    axes.set_ylim(top=20)  # room for the legend
    axes.legend(frameon=False, fontsize=9, ncols=2, loc="upper left")
    return figure


def draw_reliability(examinations: Sequence[Examination]) -> list[Figure]:
    """Share of correct detections over their score, and the number of detections: one line per run in both."""
    figure, axes = new_panel("correct detections by score, IoU .5", "mean score of a bin", "share that is correct")
    axes.plot([0, 1], [0, 1], color="#888888", linestyle=":", linewidth=1)
    numbers, number_axes = new_panel("detections by score", "mean score of a bin", "detections, log scale")
    for place, examination in enumerate(examinations):
        bins = equal_width_bins(examination.scores, examination.correct)
        line, marker = _STYLES[place % len(_STYLES)]
        style = {"color": COLOURS[place % len(COLOURS)], "linestyle": line, "marker": marker or "."}
        axes.plot(bins.score, bins.precision, label=legend_text(examination.name), **style)
        number_axes.plot(bins.score, bins.count, label=legend_text(examination.name), **style)
    axes.set(xlim=(0, 1), ylim=(0, 1.02))
    number_axes.set(xlim=(0, 1), yscale="log" if any(len(e.scores) for e in examinations) else "linear")
    axes.legend(frameon=False, fontsize=9, loc="lower right")
    number_axes.legend(frameon=False, fontsize=9)
    return [figure, numbers]
