"""Tables and sentences about an analysis of anchors."""

import math
from collections.abc import Sequence

from tabulate import tabulate

from .analyze import Analysis
from .ceiling import Ceiling
from .recall import Row

_COLUMNS = {  # title and meaning
    "boxes": ("boxes", ""),
    "reachable": ("IoU ≥ {t}", "some anchor reaches this IoU"),
    "own": ("own anchor", "such an anchor that no other box takes"),
    "low_quality_only": ("low quality", "all anchors below IoU {t}, of which the best are foreground all the same"),
    "crowded_out": ("crowded out", "other boxes take every anchor that could be its own"),
    "untrained": ("untrained", "no foreground anchor at all"),
    "mean_iou": ("best IoU", "of the best anchor, in the mean"),
    "anchors_per_box": ("foreground", "foreground anchors of a box, in the mean"),
}
_ROWS = (
    "Rows: small, medium, large are COCO's sizes in pixels of the original image (below 32 x 32, to 96 x 96, above); "
    "IoU is taken at the size that training uses. A level is that of the best anchor of a box."
)
BOUND = (
    "The AP bounds what training on this assignment asks for: a box without foreground anchor is no anchor's target, "
    "and of two boxes of a class that overlap by more than the threshold of suppression only one is left. A trained "
    "detector may still find boxes that it was not trained for."
)


def headers(analysis: Analysis) -> list[str]:
    """Titles of the columns of `cells`."""
    return [title.format(t=threshold(analysis)) for title, _ in _COLUMNS.values()]


def meanings(analysis: Analysis) -> str:
    """The meaning of the columns and rows of a table."""
    words = (f"{title}: {meaning}" for title, meaning in _COLUMNS.values() if meaning)
    return f"Columns: {'; '.join(words).format(t=threshold(analysis))}.\n{_ROWS}"


def threshold(analysis: Analysis) -> str:
    """The IoU from which anchors are foreground, as .5."""
    return f"{analysis.detector.threshold:g}".lstrip("0")


def cells(row: Row) -> list[str]:
    """The texts of a row of a table, without its name."""
    forms, values = {"boxes": "d", "mean_iou": ".2f", "anchors_per_box": ".1f"}, vars(row)
    return [f"{values[key]:{forms[key]}}" if key in forms else f"{100 * values[key]:.1f} %" for key in _COLUMNS]


def rows_of(analysis: Analysis) -> list[Row]:
    """All boxes, then those of every class, size and level of the best anchor."""
    recall = analysis.recall
    return [recall.all_boxes, *recall.by_class, *recall.by_size, *recall.by_level]


def verdict(now: Row, found: Row, iou: str) -> str:
    """What other anchors change for the same boxes, in words; `iou` is the foreground threshold."""
    return (
        f"{100 * found.reachable:.1f} % of {found.boxes} boxes have an anchor at IoU {iou} (now "
        f"{100 * now.reachable:.1f} %), the mean best IoU {_change(now.mean_iou, found.mean_iou, 2)}, and the "
        f"number of foreground anchors per box {_change(now.anchors_per_box, found.anchors_per_box, 1)}"
    )


def _change(before: float, after: float, digits: int) -> str:
    texts = [f"{x:.{digits}f}" for x in (before, after)]
    if texts[0] == texts[1]:
        return f"stays at {texts[0]}"
    return f"{'rises' if after > before else 'falls'} from {texts[0]} to {texts[1]}"


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
