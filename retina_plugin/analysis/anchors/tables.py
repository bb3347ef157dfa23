"""Tables and sentences about an analysis of anchors."""

import math
from collections.abc import Sequence

from tabulate import tabulate

from .analyze import Analysis
from .ceiling import Ceiling
from .recall import Row

_COLUMNS = {
    "boxes": "boxes",
    "reachable": "IoU ≥ {t}",
    "own": "own anchor",
    "low_quality_only": "low quality",
    "crowded_out": "crowded out",
    "untrained": "no anchor",
    "mean_iou": "best IoU",
    "anchors_per_box": "anchors",
}
BOUND = (
    "The AP bounds what training on this assignment asks for: a box without foreground anchor is no anchor's target, "
    "and of two boxes of a class that overlap by more than the threshold of suppression only one is left. A trained "
    "detector may still find boxes that it was not trained for."
)


def headers(analysis: Analysis) -> list[str]:
    """Titles of the columns of `cells`."""
    threshold = f"{analysis.detector.threshold:g}".lstrip("0")
    return [title.format(t=threshold) for title in _COLUMNS.values()]


def cells(row: Row) -> list[str]:
    """A row of a table, without its name."""
    values = {key: getattr(row, key) for key in _COLUMNS}
    texts = {
        "boxes": str(row.boxes),
        "mean_iou": f"{row.mean_iou:.2f}",
        "anchors_per_box": f"{row.anchors_per_box:.1f}",
    }
    return [texts[key] if key in texts else f"{100 * values[key]:.1f} %" for key in _COLUMNS]


def rows_of(analysis: Analysis) -> list[Row]:
    """All boxes, then those of every class, size and level of the best anchor."""
    recall = analysis.recall
    return [recall.all_boxes, *recall.by_class, *recall.by_size, *recall.by_level]


def costs(analysis: Analysis) -> str:
    """Anchors and locations in words."""
    levels = ", ".join(f"{level} {number:.0f}" for level, number in analysis.recall.anchors_by_level.items())
    return (
        f"{analysis.anchors:.0f} anchors per image ({levels}) at {analysis.locations:.0f} locations, which the cost of "
        "the head is proportional to"
    )


def table(analysis: Analysis, rows: Sequence[Row]) -> str:
    """Rows in plain text."""
    texts = [[row.name, *cells(row)] for row in rows]
    return tabulate(texts, ["", *headers(analysis)], stralign="right", disable_numparse=True)


def ceiling(analysis: Analysis) -> str:
    """The AP of the oracle in words."""
    words = f"AP of an oracle whose foreground anchors predict their boxes exactly: {_metrics(analysis.ceiling)}."
    if analysis.assignment.allows_low_quality:
        words += f" Without low-quality matches: {_metrics(analysis.strict_ceiling)}."
    return words


def _metrics(found: Ceiling) -> str:
    metrics = ", ".join(f"{name} {'–' if math.isnan(x) else f'{x:.1f}'}" for name, x in found.metrics.items())
    counts = f"{found.untrained} boxes without foreground anchor, {found.lost} lost in suppression or limits"
    return f"{metrics} ({counts})"
