"""The report of a study: report.json, report.md, and report.html as one file that needs no network."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ...files import write_json
from ..execution.results import RunResult
from ..spec.config_changes import config_changes
from ..spec.hypothesis import Hypothesis
from ..spec.study import Study
from ..statistics.evidence import collect_evidence
from ..statistics.measurements import Measurements, tabulate_runs
from ..statistics.verdict import judge
from .facts import costs, environment, loss_scales
from .figures import draw_levels, draw_precision, draw_training
from .pictures import draw_pictures
from .plots import svg_uri
from .render import render, without_nan

__all__ = ["report_outcome", "write_report"]


def write_report(study: Study, results: Sequence[RunResult], num_images: int = 4) -> Path:
    """Write the report of a study into its folder; the path of the HTML page.

    The same runs give the same report.

    Args:
        study: what was run.
        results: one per run.
        num_images: how many test images to show under all variants.
    """
    evidence, reason = collect_evidence(results)
    measurements = Measurements(results, evidence)
    content = _content(study, measurements) | {"no_images_because": reason}
    folder, page = study.output_dir, study.output_dir / "report.html"
    write_json(folder / "report.json", without_nan(_plain(content)))
    (folder / "report.md").write_text(render("report.md.j2", content))
    drawn = _drawn(study, measurements, content["metrics"][0], num_images)
    page.write_text(render("report.html.j2", content | drawn))
    return page


def report_outcome(study: Study, results: Sequence[RunResult], num_images: int = 4) -> None:
    """Write the report, print its tables, and end the process with 1 if a run failed."""
    page = write_report(study, results, num_images)
    print(page.with_name("report.md").read_text())
    print(f"report with pictures: {page}")
    failed = [r for r in results if r.error]
    if failed:
        sys.exit(f"error: {len(failed)} of {len(results)} runs failed: {failed[0].error}")


def _content(study: Study, measurements: Measurements) -> dict[str, Any]:
    """What all three forms of the report say."""
    names = [v.name for v in study.variants]
    others = [Hypothesis(name, study.reference) for name in names if name != study.reference]
    metrics = [m for m in study.metrics if _known(measurements, m)] or list(study.metrics)
    classes = _class_metrics(measurements.results)
    return {
        "facts": environment(study, measurements.results),
        "variants": names,
        "reference": study.reference,
        "asked": [str(h) for h in study.hypotheses],
        "dropped": [str(h) for h in study.dropped],
        "verdicts": judge(measurements, study.hypotheses or others),
        "metrics": metrics,
        "rows": tabulate_runs(measurements, names, study.reference, metrics),
        "classes": classes,
        "class_rows": tabulate_runs(measurements, names, study.reference, classes),
        "paper": study.paper,
        "costs": costs(measurements, names),
        "scales": loss_scales(study),
        "changes": {v.name: config_changes(study, v) for v in study.variants},
        "num_images": measurements.num_images,
        "runs": list(measurements.results),
    }


def _drawn(
    study: Study, measurements: Measurements, metric: str, num_images: int
) -> dict[str, Any]:
    names = [v.name for v in study.variants if measurements.finished(v.name)]
    return {
        "levels": svg_uri(draw_levels(measurements, names, metric)),
        "training": [svg_uri(f) for f in draw_training(measurements, names)],
        "precision": [svg_uri(f) for f in draw_precision(measurements, names)],
        "pictures": draw_pictures(study, measurements, num_images),
    }


def _known(measurements: Measurements, metric: str) -> bool:
    """Whether any run has a number for it: test data without large objects have no APl."""
    return any(r.value(metric) == r.value(metric) for r in measurements.results)


def _class_metrics(results: Sequence[RunResult]) -> list[str]:
    keys = [key.removeprefix("bbox/") for r in results for key in r.metrics]
    return [key for key in dict.fromkeys(keys) if key.startswith("AP-")]


def _plain(content: dict[str, Any]) -> dict[str, Any]:
    """Dataclasses as dictionaries."""
    rows = {
        key: [asdict(x) for x in content[key]] for key in ("verdicts", "rows", "class_rows", "runs")
    }
    changes = {name: [asdict(c) for c in found] for name, found in content["changes"].items()}
    return content | rows | {"changes": changes}
