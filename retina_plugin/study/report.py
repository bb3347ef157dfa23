"""The report of a study: report.json, report.md, and report.html as one file that needs no network."""

from __future__ import annotations

import base64
import math
import platform
import shlex
import sys
from collections.abc import Sequence
from dataclasses import asdict
from importlib import metadata, resources
from pathlib import Path
from typing import Any

import cv2
import jinja2
import torch

from ..commands.compare import compare
from ..commands.images import write_json
from .curves import draw_curves
from .results import METRICS, Row, RunResult, tabulate_runs
from .spec import Study

_SCORE_THRESH = 0.3  # of the pictures; focal loss gives lower scores than cross entropy

__all__ = ["report_outcome", "write_report"]


def write_report(study: Study, results: Sequence[RunResult], num_images: int = 4) -> Path:
    """Write the report of a study into its folder; the path of the HTML page.

    Args:
        study: what was run.
        results: one per run.
        num_images: how many test images to show under all variants, with the first seed.
    """
    folder = study.output_dir
    rows = tabulate_runs(results, study.reference)
    facts = _facts(study)
    write_json(
        folder / "report.json",
        _without_nan(
            {
                "facts": facts,
                "rows": [asdict(r) for r in rows],
                "runs": [asdict(r) for r in results],
            }
        ),
    )
    content = {
        "facts": facts,
        "metrics": METRICS,
        "rows": [_texts(row, study.reference) for row in rows],
        "failed": [r for r in results if r.error],
        "variants": study.variants,
        "reference": study.reference,
        "num_seeds": len(study.seeds),
    }
    pictures = _pictures(study, results, num_images)
    curves = draw_curves(results, folder / "curves.png")
    (folder / "report.md").write_text(_render("report.md.j2", content))
    page = folder / "report.html"
    embedded = {"curves": _embed(curves), "pictures": [_embed(path) for path in pictures]}
    page.write_text(_render("report.html.j2", content | embedded))
    return page


def report_outcome(study: Study, results: Sequence[RunResult], num_images: int = 4) -> None:
    """Write the report, print its table, and end the process with 1 if a run failed."""
    page = write_report(study, results, num_images)
    print(page.with_name("report.md").read_text())
    print(f"report with pictures: {page}")
    failed = [r for r in results if r.error]
    if failed:
        sys.exit(f"error: {len(failed)} of {len(results)} runs failed: {failed[0].error}")


def _facts(study: Study) -> dict[str, Any]:
    versions = {name: metadata.version(name) for name in ("retina_plugin", "torch", "torchvision")}
    return {
        "base": study.base,
        "seeds": list(study.seeds),
        "overrides": list(study.overrides),
        "command": shlex.join(["python", *sys.argv]),
        "machine": f"{platform.machine()}, {torch.get_num_threads()} threads, {_accelerator()}",
        "versions": versions | {"python": platform.python_version()},
    }


def _accelerator() -> str:
    return torch.cuda.get_device_name() if torch.cuda.is_available() else "no GPU"


def _texts(row: Row, reference: str) -> dict[str, Any]:
    cells = []
    for metric in METRICS:
        mean, spread, difference = (x[metric] for x in (row.mean, row.spread, row.difference))
        text = "–" if math.isnan(mean) else f"{mean:.1f}"
        text += "" if math.isnan(spread) else f" ± {spread:.1f}"
        versus = "" if row.variant == reference or math.isnan(difference) else f"{difference:+.1f}"
        cells.append({"text": text, "difference": versus})
    minutes = "–" if math.isnan(row.minutes) else f"{row.minutes:.1f}"
    return {"variant": row.variant, "cells": cells, "runs": row.num_runs, "minutes": minutes}


def _pictures(study: Study, results: Sequence[RunResult], num_images: int) -> list[Path]:
    shown = [r for r in results if r.seed == study.seeds[0] and not r.error]
    if not shown or not num_images:
        return []
    runs, names = [r.run_dir for r in shown], [r.variant for r in shown]
    folder = study.output_dir / "pictures"
    return compare(runs, folder, (), num_images, _SCORE_THRESH, names)


def _embed(path: Path) -> str:
    if path.name == "curves.png":
        return "data:image/png;base64," + base64.b64encode(path.read_bytes()).decode()
    _, data = cv2.imencode(".jpg", cv2.imread(str(path)), [cv2.IMWRITE_JPEG_QUALITY, 85])
    return "data:image/jpeg;base64," + base64.b64encode(data.tobytes()).decode()


def _render(template: str, content: dict[str, Any]) -> str:
    text = resources.files(__package__).joinpath(template).read_text()
    environment = jinja2.Environment(
        autoescape=template.endswith(".html.j2"), trim_blocks=True, lstrip_blocks=True
    )
    return environment.from_string(text).render(content)


def _without_nan(value: Any) -> Any:
    """NaN is no json: null says as much."""
    if isinstance(value, dict):
        return {k: _without_nan(v) for k, v in value.items()}
    if isinstance(value, list):
        return [_without_nan(v) for v in value]
    return None if isinstance(value, float) and math.isnan(value) else value
