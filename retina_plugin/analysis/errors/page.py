"""errors.html and errors.json, and their summary in text."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from tabulate import tabulate

from ...files import write_json, write_text
from ...pages.figures import svg_uri
from ...pages.render import dash_for_nan, template_environment, without_nan
from ...printable import shown
from .analysis import RunErrors
from .budget import FIXES, differences
from .content import as_content
from .figures import MOST_CLASSES, draw_budget, draw_confusion, draw_curves, draw_differences, draw_reliability
from .gallery import STYLES
from .tables import OUTCOMES
from .tracing import CAUSES, LABELS

_PAGE = "errors.html.j2"
_points, _signed = (dash_for_nan(form.format) for form in ("{:.2f}", "{:+.2f}"))


def write_page(runs: Sequence[RunErrors], output: str | Path) -> dict[str, Any]:
    """Write errors.html and errors.json into a folder, created if necessary; returns the content of the json.

    Raises:
        DataError: if two runs were evaluated on different test data.
        OSError: if the folder cannot be written to.
    """
    content = as_content(runs)
    write_text(Path(output, "errors.html"), render_errors(runs, content, _PAGE))
    write_json(Path(output, "errors.json"), without_nan(content))
    return content


def render_errors(
    runs: Sequence[RunErrors], content: dict[str, Any], template: str, more: dict[str, Any] | None = None
) -> str:
    """A page of this package's templates about the errors of one variant or two, with `more` values for it."""
    environment = template_environment("retina_plugin.analysis.errors", template)
    share = dash_for_nan("{:.3f}".format)
    environment.filters |= {"points": _points, "signed": _signed, "share": share, "span": _span}
    names = {"outcomes": OUTCOMES, "causes": CAUSES, "labels": LABELS, "fixes": FIXES, "styles": STYLES}
    values = content | {"names": names, "most_classes": MOST_CLASSES, "drawn": _figures(runs, content), "shown": runs}
    return environment.get_template(template).render(values | (more or {}))


def _figures(runs: Sequence[RunErrors], content: dict[str, Any]) -> dict[str, list[str]]:
    titles, iou = [run.label for run in runs], content["iou"]
    budget = [draw_budget([run.cost for run in runs], titles, iou)]
    if len(runs) > 1:
        budget.append(draw_differences(differences(runs[0].cost, runs[1].cost), titles, iou))
    confusion = [
        draw_confusion(np.array(own["confusion"]), run.results.classes, run.title)
        for run, own in zip(runs, content["runs"], strict=True)
    ]
    curves = [figure for run in runs for figure in draw_curves(run.results, run.errors)]
    reliability = [draw_reliability(run.results, run.errors) for run in runs]
    figures = {"budget": budget, "confusion": confusion, "curves": curves, "reliability": reliability}
    return {name: [svg_uri(figure) for figure in own] for name, own in figures.items()}


def summary(content: dict[str, Any]) -> str:
    """The content of errors.json in a few tables."""
    parts = [_budget_table(content)]
    for run in content["runs"]:
        parts.append(_outcome_table(run))
        if anchors := run["anchors"]:
            rows = [(cause, anchors["causes"][cause]) for cause in CAUSES]
            title = f"{shown(run['run'])}: why objects are missed, on {anchors['num_images']} images"
            parts.append(tabulate(rows, headers=[title, "objects"]))
        else:
            parts.append(f"{shown(run['run'])}: no anchors: {run['why_no_anchors']}")
    return "\n\n".join(parts)


def _budget_table(content: dict[str, Any]) -> str:
    runs, changes = content["runs"], content["differences"]
    headers = [f"fixed (IoU {content['iou']:g})"]
    for run in runs:
        headers += [f"AP added, {shown(run['label'])}", "95 % interval", "errors"]
    headers += ["difference", "95 % interval"] * bool(changes)
    rows = [["(AP now)"], *([fix] for fix in FIXES)]
    for name, row in zip(("AP", *FIXES), rows, strict=True):
        for run in runs:
            own = run["AP_at_iou"] if name == "AP" else run["delta_ap"][name]
            row += [_points(own["value"]), _span(own), own.get("count", "")]
        if changes:
            row += [_signed(changes[name]["value"]), _span(changes[name])]
        row[0] = row[0] if name == "AP" else f"{name}: {content['meaning'][name]}"
    return tabulate(rows, headers=headers, disable_numparse=True, colalign=("left", *["right"] * (len(headers) - 1)))


def _outcome_table(run: dict[str, Any]) -> str:
    headers = [f"{shown(run['run'])}, score at least {run['score_thresh']:.3f}", "objects", *OUTCOMES]
    rows = [
        [shown(own.get("class", own.get("size"))), own["objects"], *own["outcomes"].values()]
        for table in ("class", "size")
        for own in run["outcomes"][table]
    ]
    return tabulate(rows, headers=headers)


def _span(interval: dict[str, float]) -> str:
    ends = [_points(interval[end]) for end in ("low", "high")]
    return " to ".join(ends) if ends != ["–", "–"] else "–"
