"""errors.html and errors.json, and their summary in text."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from tabulate import tabulate

from ...data import DataError
from ...files import write_json, write_text
from ...pages.figures import svg_uri
from ...pages.render import dash_for_nan, template_environment, without_nan
from ...printable import shown
from .analysis import RunErrors
from .budget import FIXES, LEVEL, NUM_RESAMPLES, differences
from .figures import MOST_CLASSES, draw_budget, draw_confusion, draw_curves, draw_differences, draw_reliability
from .gallery import STYLES
from .results import Results
from .tables import OUTCOMES
from .tracing import CAUSES, LABELS
from .types import BACKGROUND_IOU, MEANING

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


def as_content(runs: Sequence[RunErrors]) -> dict[str, Any]:
    """The content of errors.json: one variant, or two with the differences, second minus first.

    Raises:
        DataError: if runs were evaluated on different test data.
    """
    first, last = runs[0], runs[-1]
    for own in (seed.results for run in runs for seed in run.seeds):
        if _test_data(own) != _test_data(first.results):
            raise DataError(
                f"{first.title} and {own.name} were evaluated on different test data: errors are not compared"
            )
    changes = differences(first.cost, last.cost) if len(runs) > 1 else {}
    return {
        "iou": first.results.iou,
        "background_iou": BACKGROUND_IOU,
        "interval": _interval(runs),
        "meaning": MEANING,
        "runs": [run.as_dict() for run in runs],
        "differences": {name: asdict(c) for name, c in changes.items()},
    }


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


def _test_data(results: Results) -> tuple[Any, ...]:
    return results.image_ids, results.classes, results.objects.box.tolist()


def _interval(runs: Sequence[RunErrors]) -> str:
    """How the intervals are computed, in words."""
    resamples = f"{NUM_RESAMPLES} resamples of the test images" + ", the same in all runs" * (len(runs) > 1)
    is_one = len(runs[0].results.image_ids) == 1
    if not runs[0].others:
        return "none, because there is one test image" if is_one else f"{LEVEL} % percentile interval over {resamples}"
    pairs = ", of differences pair by pair in the order of the runs" * (len(runs) > 1)
    over = f"{len(runs[0].seeds)} seeds" + ("" if is_one else f" and {resamples}")
    return f"{LEVEL} % interval of Student's t over {over}, as in studies{pairs}"
