"""The page and the printed summary of an analysis of anchors."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from ...pages.figures import jpeg_uri, svg_uri
from ...pages.render import template_environment
from .analyze import Analysis
from .boxes import BoxSet, Split
from .figures import iou_figure, levels_figure, recall_figure, shapes_figure
from .pictures import choose_images, draw_assignment, legend
from .recall import Row
from .search import Found
from .tables import BOUND, ceiling, cells, costs, headers, meanings, rows_of, table, threshold, verdict

_WIDEST = 1440  # pixels of a picture


@dataclass(frozen=True)
class Result:
    """The content of the page.

    Attributes:
        config: name of the config or run.
        split: "train" or "test", the split of the boxes.
        boxes: of the split.
        analyses: "now" is that of the config, "found" that of the anchors that the search found.
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
        if name != "now":
            parts.append(f"{name.capitalize()}: {costs(analysis)}.")
        parts += [table(analysis, rows_of(analysis)), ceiling(analysis)]
    parts += [meanings(now), BOUND]
    if result.found is not None:
        parts += [_held_out(result, now), *_advice(result)]
    return "\n\n".join(parts)


def render_page(result: Result, num_pictures: int) -> str:
    """The page as one HTML file with `num_pictures` images embedded; DataError if an image cannot be read."""
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
        ceilings={name: ceiling(analysis) for name, analysis in analyses.items()},
        meanings=meanings(analyses["now"]),
        bound=BOUND,
        advice=_advice(result) if result.found else [],
        figures=[svg_uri(figure) for figure in figures],
        pictures=_pictures(result, num_pictures),
    )


def _headline(result: Result) -> str:
    boxes, now = result.boxes, result.analyses["now"]
    number, row = len(boxes.images), now.recall.all_boxes
    sample = f" (a random sample of {boxes.num_images})" if number < boxes.num_images else ""
    left_out = f"; left out: {boxes.left_out} (crowds, boxes without area)" if boxes.left_out else ""
    return (
        f"{row.boxes} boxes in {number} images{sample} of the {result.split} data of {result.config}; "
        f"{boxes.resizing}{left_out}. Now {costs(now)}."
    )


def _held_out(result: Result, analysis: Analysis) -> str:
    rows = [replace(row, name=name) for name, row in zip(("now", "found"), result.held_out, strict=True)]
    return "Images that the search did not see:\n" + table(analysis, rows)


def _advice(result: Result) -> list[str]:
    found = result.found
    if not found.overrides:
        return ["The search found no better anchors within the budget."]
    what = "anchors whose IoU with the boxes is higher up to the threshold, where all classes weigh the same"
    if found.value_validation[1] <= found.value_validation[0]:
        what = "fewer anchors, as asked for"
    words = verdict(*result.held_out, threshold(result.analyses["now"]))
    return [
        f"The search found {what}. On images that it did not see, {words}. Whether AP rises, only a training shows. "
        "Append to the command line:",
        " ".join(found.overrides),
    ]


def _pictures(result: Result, number: int) -> list[dict[str, Any]]:
    """The same images under every analysis."""
    images = result.boxes.images
    return [
        {
            "file_name": images[i].entry["file_name"].rpartition("/")[2],
            "tiles": [
                (name, jpeg_uri(draw_assignment(analysis, images, i), _WIDEST), legend(analysis.detector.levels))
                for name, analysis in result.analyses.items()
            ],
        }
        for i in choose_images(result.analyses["now"], images, number)
    ]
