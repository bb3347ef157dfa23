"""The report of a study: report.json, report.md, and report.html as one file that needs no network."""

import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from ...files import write_json, write_text
from ...pages.figures import svg_uri
from ...pages.render import without_nan
from ..execution.results import REPORT, RunResult, seeds_of
from ..planning.looks import looks_until, record_look
from ..spec.study import Study
from ..statistics.measurements import Measurements, measure_results
from .content import collect_content, plain_content
from .figures import draw_means, draw_precision, draw_training, effect_bars
from .imbalance import draw_imbalance
from .judged_boxes import STYLES
from .pictures import draw_pictures
from .render import render
from .scores import draw_reliability


def write_report(study: Study, results: Sequence[RunResult], num_images: int = 4) -> Path:
    """Write the report of a study into its folder, with `num_images` test images under all variants.

    The same runs give the same report. Returns the path of the HTML page.
    """
    study = replace(study, seeds=seeds_of(study, results))
    measurements, reason = measure_results(study, results)
    content = collect_content(study, measurements) | {"no_images_because": reason}
    record_look(study.output_dir, looks_until(study.output_dir, study.seeds, study.planned)[-1])
    folder, page = study.output_dir, study.output_dir / "report.html"
    write_json(folder / REPORT, without_nan(plain_content(content)))
    write_text(folder / "report.md", render("report.md.j2", content))
    write_text(page, render("report.html.j2", content | _draw(study, measurements, content, num_images)))
    return page


def report_results(study: Study, results: Sequence[RunResult], num_images: int = 4) -> None:
    """Write the report, print its tables, and exit with status 1 if a run failed."""
    page = write_report(study, results, num_images)
    print(page.with_name("report.md").read_text(encoding="utf-8"))
    print(f"report with pictures: {page}")
    if failed := [r for r in results if r.error]:
        sys.exit(f"error: {len(failed)} of {len(results)} runs failed: {failed[0].error}")


def _draw(study: Study, measurements: Measurements, content: dict[str, Any], num_images: int) -> dict[str, Any]:
    metric = content["metrics"][0]
    names = [v.name for v in study.variants if measurements.finished(v.name)]
    return {
        "bars": effect_bars(content["verdicts"]),
        "means": svg_uri(draw_means(measurements, names, metric)) if names else "",
        "training": [svg_uri(f) for f in draw_training(measurements, names, metric)],
        "imbalance": [svg_uri(f) for f in draw_imbalance(measurements, names)],
        "precision": [svg_uri(f) for f in draw_precision(measurements, names)],
        "reliability": [svg_uri(f) for f in draw_reliability(measurements, names)],
        "pictures": draw_pictures(study, measurements, metric, num_images),
        "box_styles": STYLES,
    }
