"""The page and the printed summary of an analysis of anchors."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tabulate import tabulate

from ...pages.figures import svg_uri
from ...pages.render import template_environment
from .analyze import Analysis
from .boxes import BoxSet, Split
from .ceiling import Ceiling
from .figures import iou_figure, levels_figure, recall_figure, shapes_figure
from .pictures import choose_images, draw_assignment, image_uri, legend
from .recall import Row
from .search import Found

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
_SHARES = ("reachable", "own", "low_quality_only", "crowded_out", "untrained")


@dataclass(frozen=True)
class Result:
    """What the page is about.

    Attributes:
        config: name of the config or run.
        split: whose boxes.
        boxes: of the split.
        analyses: of the config by the name "now", and of what the search found as "found".
        found: the result of the search, or None.
        held_out: recall (now, found) on the boxes that the search did not see.
    """

    config: str
    split: Split
    boxes: BoxSet
    analyses: Mapping[str, Analysis]
    found: Found | None
    held_out: tuple[Row, Row] | None


def write_summary(result: Result) -> str:
    """The tables in plain text."""
    now = result.analyses["now"]
    parts = [_headline(result)]
    for name, analysis in result.analyses.items():
        if len(result.analyses) > 1:
            parts.append(f"{name}: {costs(analysis)}")
        parts.append(_table(analysis, rows_of(analysis)))
        parts.append(_ceiling(analysis))
    if result.found is not None:
        parts += [_held_out(result, now), *_advice(result.found)]
    return "\n\n".join(parts)


def render_page(result: Result, num_pictures: int) -> str:
    """The page, one HTML file with its pictures in it."""
    template = "anchors.html.j2"
    environment = template_environment("retina_plugin.analysis.anchors", template)
    analyses = result.analyses
    figures = [recall_figure(analyses), iou_figure(analyses)]
    figures += [shapes_figure(analyses, name) for name in analyses]
    figures += [levels_figure(name, analysis) for name, analysis in analyses.items()]
    environment.filters |= {"cells": cells}
    return environment.get_template(template).render(
        result=result,
        headline=_headline(result),
        headers={name: headers(analysis) for name, analysis in analyses.items()},
        rows={name: rows_of(analysis) for name, analysis in analyses.items()},
        costs={name: costs(analysis) for name, analysis in analyses.items()},
        ceilings={name: _ceiling(analysis) for name, analysis in analyses.items()},
        held_out=_held_out(result, analyses["now"]) if result.found else "",
        figures=[svg_uri(figure) for figure in figures],
        pictures=_pictures(result, num_pictures),
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


def _headline(result: Result) -> str:
    boxes, now = result.boxes, result.analyses["now"]
    number, row = len(boxes.images), now.recall.all_boxes
    sample = f" (a random sample of {boxes.num_images})" if number < boxes.num_images else ""
    left_out = f"; {boxes.left_out} crowds and boxes without area are left out" if boxes.left_out else ""
    return (
        f"{row.boxes} boxes in {number} images{sample} of the {result.split} data of {result.config}; "
        f"{boxes.resizing}{left_out}. Now {costs(now)}."
    )


def _table(analysis: Analysis, rows: Sequence[Row]) -> str:
    return _aligned([[row.name, *cells(row)] for row in rows], analysis)


def _aligned(table: Sequence[Sequence[str]], analysis: Analysis) -> str:
    return tabulate(table, ["", *headers(analysis)], stralign="right", disable_numparse=True)


def _ceiling(analysis: Analysis) -> str:
    words = f"AP of an oracle whose foreground anchors predict their boxes exactly: {_metrics(analysis.ceiling)}."
    if analysis.assignment.allows_low_quality:
        words += f" Without low-quality matches: {_metrics(analysis.strict_ceiling)}."
    return words


def _metrics(ceiling: Ceiling) -> str:
    metrics = ", ".join(f"{name} {'–' if math.isnan(x) else f'{x:.1f}'}" for name, x in ceiling.metrics.items())
    counts = f"{ceiling.untrained} boxes without foreground anchor, {ceiling.lost} lost in suppression or limits"
    return f"{metrics} ({counts})"


def _held_out(result: Result, analysis: Analysis) -> str:
    rows = zip(("now", "found"), result.held_out or (), strict=True)
    table = [[name, *cells(row)] for name, row in rows]
    return "Images that the search did not see:\n" + _aligned(table, analysis)


def _advice(found: Found) -> list[str]:
    if not found.overrides:
        return ["The search found no better anchors within the budget."]
    return ["Append to the command line:", " ".join(found.overrides)]


def _pictures(result: Result, number: int) -> list[dict[str, Any]]:
    """The same images under every analysis."""
    images = result.boxes.images
    return [
        {
            "file_name": images[i].entry["file_name"].rpartition("/")[2],
            "tiles": [
                (name, image_uri(draw_assignment(analysis, images, i)), legend(analysis.detector.levels))
                for name, analysis in result.analyses.items()
            ],
        }
        for i in choose_images(result.analyses["now"], images, number)
    ]
