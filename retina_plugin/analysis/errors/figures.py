"""Figures of an error budget; they can be read without colours."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ...evaluation.calibration import equal_width_bins
from ...inference.text import label_text
from ...pages.figures import COLOURS, legend_text, new_panel
from .budget import FIXES, Budget, Change
from .curves import Curve, curve_of
from .results import Results
from .types import Errors, Kind

MOST_CLASSES = 8  # in one figure
_HATCHES, _LINES, _MARKERS = ("", "///"), ("-", "--", "-.", ":"), "os^Dv<>P"
_MOST_POINTS = 400  # of one line
_DARK = 0.55  # share of the row from which numbers are white


def draw_budget(budgets: Sequence[Budget], names: Sequence[str], iou: float) -> Figure:
    """A bar for each type of error and run: what fixing it adds to AP, with its interval."""
    fixes = FIXES[:-2]
    figure, axes = new_panel("AP that each type of error costs", f"points of AP at IoU {iou:g}")
    height = 0.8 / len(budgets)
    for run, (budget, name) in enumerate(zip(budgets, names, strict=True)):
        changes = [budget.change(fix) for fix in fixes]
        places = np.arange(len(fixes)) + (run - (len(budgets) - 1) / 2) * height
        spans = np.array([(c.low, c.high) for c in changes])  # which may leave out the value
        axes.barh(
            places,
            [c.value for c in changes],
            height * 0.9,
            color=COLOURS[run],
            hatch=_HATCHES[run],
            edgecolor="white",
            label=legend_text(name),
        )
        style = dict(fmt="none", ecolor="#222222", capsize=3, linewidth=1.2)
        axes.errorbar(spans.mean(axis=1), places, xerr=np.ptp(spans, axis=1) / 2, **style)
    axes.set_yticks(range(len(fixes)), fixes)
    axes.invert_yaxis()
    axes.set_axisbelow(True)
    axes.set_xlim(left=0)
    if len(budgets) > 1:
        axes.legend(frameon=False, fontsize=10, loc="lower right")
    return figure


def draw_differences(changes: dict[str, Change], names: Sequence[str], iou: float) -> Figure:
    """The second run minus the first: the cost of each type of error, with its interval."""
    title = f"{label_text(names[1])}\n– {label_text(names[0])}"
    figure, axes = new_panel(title, f"difference in cost, points of AP at IoU {iou:g}")
    for place, fix in enumerate(FIXES[:-2]):
        c = changes[fix]
        axes.plot([c.low, c.high], [place, place], color=COLOURS[0], linewidth=2)
        axes.plot([c.value], [place], "o", color=COLOURS[0], markersize=7)
    axes.axvline(0, color="#444444", linestyle="--", linewidth=1.2)
    axes.set_yticks(range(len(FIXES) - 2), FIXES[:-2])
    axes.invert_yaxis()
    return figure


def draw_confusion(matrix: np.ndarray, classes: Sequence[str], name: str) -> Figure:
    """Numbers of a confusion matrix, darker where more of the row is; only its most frequent classes if it has many."""
    kept = _frequent(matrix[:-1].sum(axis=1), len(classes))
    kept = np.append(kept, len(classes))
    share = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    matrix, share = (x[np.ix_(kept, kept)] for x in (matrix, share))
    labels = [*(label_text(classes[k]) for k in kept[:-1]), "background"]
    figure, axes = new_panel(
        f"confusion of classes\n{label_text(name)}", "class of the detection", "class of the object"
    )
    axes.imshow(share, cmap="Greys", vmin=0, vmax=1, aspect="auto")
    for (row, column), number in np.ndenumerate(matrix):
        text = "–" if row == column == len(labels) - 1 else str(number)
        colour = "white" if share[row, column] > _DARK else "black"
        axes.text(column, row, text, ha="center", va="center", color=colour, fontsize=10)
    axes.set_xticks(range(len(labels)), labels, rotation=25 if len(labels) > 4 else 0, fontsize=9)
    axes.set_yticks(range(len(labels)), labels, fontsize=9)
    axes.grid(visible=False)
    return figure


def draw_curves(results: Results, errors: Errors) -> list[Figure]:
    """Precision over recall, and F1 over the score threshold, for the classes with most objects."""
    title = f"at IoU {results.iou:g}\n{label_text(results.name)}"
    precision, on_recall = new_panel(f"precision over recall {title}", "recall", "precision")
    f1, on_score = new_panel(f"F1 {title}", "least score", "F1")
    numbers = np.bincount(results.objects.label, minlength=len(results.classes))
    for place, k in enumerate(_frequent(numbers, len(results.classes))):
        curve = curve_of(results, errors, k)
        if curve.best is not None:
            _draw_curve(on_recall, curve, curve.recall, curve.precision, place, results.classes[k])
            _draw_curve(on_score, curve, curve.score, curve.f1, place, results.classes[k])
    for axes in (on_recall, on_score):
        axes.set(xlim=(0, 1), ylim=(0, 1.03))
        if axes.lines:
            axes.legend(frameon=False, fontsize=9)
    return [precision, f1]


def _draw_curve(axes: Axes, curve: Curve, x: np.ndarray, y: np.ndarray, place: int, name: str) -> None:
    """A line with a marker at the best F1."""
    ascending = x if x[-1] >= x[0] else -x
    even = np.searchsorted(ascending, np.linspace(ascending[0], ascending[-1], _MOST_POINTS))
    points = np.union1d(even, [curve.best])
    style = {"color": COLOURS[place % len(COLOURS)], "linestyle": _LINES[place % len(_LINES)]}
    marker = _MARKERS[place % len(_MARKERS)]
    axes.plot(x[points], y[points], **style, linewidth=1.8)
    axes.plot(x[curve.best], y[curve.best], **style, marker=marker, markersize=7, label=legend_text(name))


def draw_reliability(results: Results, errors: Errors) -> Figure:
    """The share of correct detections by score, in bins of equal width, and the diagonal."""
    counted = errors.kind != Kind.IGNORED
    bins = equal_width_bins(results.found.score[counted], errors.kind[counted] == Kind.CORRECT)
    figure, axes = new_panel(f"calibration\n{label_text(results.name)}", "mean score", "share of correct detections")
    axes.plot([0, 1], [0, 1], "--", color="#888888", linewidth=1)
    axes.plot(bins.score, bins.precision, "o-", color=COLOURS[0], markersize=5)
    axes.set(xlim=(0, 1), ylim=(0, 1))
    return figure


def _frequent(numbers: np.ndarray, num_classes: int) -> np.ndarray:
    """The classes with the highest numbers, in their own order."""
    return np.sort(np.argsort(-numbers[:num_classes], kind="stable")[:MOST_CLASSES])
