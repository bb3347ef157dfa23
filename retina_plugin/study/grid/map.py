"""The map of a grid: the verdicts of all cells beside each other, corrected for the number of cells."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from ...files import write_json, write_text
from ...pages.render import without_nan
from ...reading import read_json
from ..execution.results import REPORT
from ..planning.recorded import counted_questions
from ..report.render import render
from ..spec.hypothesis import Hypothesis
from ..spec.study import Study
from ..statistics.estimate import Estimate
from ..statistics.verdict import correct_bonferroni, decide
from ..statistics.wording import NONE
from .figure import draw_map
from .grid import Cell, Grid

NOT_RUN, OTHER = "not run", "run with other settings"


@dataclass(frozen=True)
class CellVerdict:
    """The verdict of one cell's study on one hypothesis.

    Attributes:
        row, column: levels of the two axes.
        outcome: as in `Verdict`; "not run" without a report, "run with other settings" if the report is about others
            or about runs of others.
        difference: mean of `better` minus mean of `than`, in the unit of the metric; None if unknown.
        better, than: means of the two variants; None if unknown.
        p_corrected: p of the cell's report times the number of cells (Bonferroni), at most 1; NaN without a verdict.
        p_equivalent: p of equivalence, corrected alike; NaN without a margin.
        flags: flags of the cell's verdict, such as collapsed runs.
    """

    row: str
    column: str
    outcome: str
    difference: float | None = None
    better: float | None = None
    than: float | None = None
    p_corrected: float = math.nan
    p_equivalent: float = math.nan
    flags: tuple[str, ...] = ()


def write_map(grid: Grid) -> Path:
    """Write map.json, map.md and map.png into the folder of a grid, from the reports of its cells.

    Returns the path of the picture.
    """
    reports = {cell: read_json(grid.folder(cell) / REPORT, {}, _is_report) for cell in grid.cells}
    study = grid.study(grid.cells[0])
    maps = {
        h: [_cell_verdict(grid, cell, report, h, study) for cell, report in reports.items()] for h in study.questions
    }
    plain = {
        "rows": {"name": grid.rows.name, "levels": list(grid.rows.levels)},
        "columns": {"name": grid.columns.name, "levels": list(grid.columns.levels)},
        "cells": {str(h): [asdict(one) for one in own] for h, own in maps.items()},
    }
    write_json(grid.output_dir / "map.json", without_nan(plain))
    write_text(grid.output_dir / "map.md", render("map.md.j2", {"grid": grid, "maps": maps}))
    return draw_map(grid, maps, grid.output_dir / "map.png")


def _is_report(content: Mapping[str, Any]) -> bool:
    return {"verdicts", "facts", "rows"} <= set(content)


def _cell_verdict(grid: Grid, cell: Cell, report: Mapping[str, Any], h: Hypothesis, study: Study) -> CellVerdict:
    if not report:
        return CellVerdict(*cell, NOT_RUN)
    wanted = {"better": h.better, "than": h.than, "metric": h.metric.name, "margin": h.margin}
    counted = counted_questions(replace(study, output_dir=grid.folder(cell)))
    family = len(study.questions) + len(counted)  # p of a report is corrected for those of its time
    found = [
        v
        for v in report["verdicts"]
        if all(v["hypothesis"].get(key) == value for key, value in wanted.items())
        and v.get("num_comparisons", family) == family
    ]
    if (
        not found
        or report.get("other_settings")
        or not _has_settings(report["facts"], {"overrides": grid.settings(cell)} | study.made_alike, h, study)
    ):
        return CellVerdict(*cell, OTHER)
    verdict = found[0]  # a study file may ask the same twice
    means = {row["variant"]: row["level"].get(h.metric.name, {}).get("mean") for row in report["rows"]}
    better, than, flags = means[h.better], means[h.than], tuple(verdict["flags"])
    difference = None if None in (better, than) else verdict["difference"]["mean"]
    p, equivalent = (
        math.nan if verdict[key] is None else correct_bonferroni(verdict[key], len(grid.cells))
        for key in ("p_corrected", "p_equivalent")
    )
    outcome = NONE if difference is None else decide(Estimate(difference), p, h.metric.higher_is_better, equivalent)
    return CellVerdict(*cell, outcome, difference, better, than, p, equivalent, flags)


def _has_settings(facts: Mapping[str, Any], settings: Mapping[str, Any], h: Hypothesis, study: Study) -> bool:
    """Whether a report has these settings, and the present base config and the two present variants of the study."""
    now = {variant.name: list(variant.overrides) for variant in study.variants}
    variants = facts.get("variants", now)  # older reports lack some
    same_base = Path(facts.get("base", study.base)).name == Path(study.base).name  # the folder depends on the cwd
    return (
        same_base
        and all(facts.get(key, value) == value for key, value in settings.items())
        and all(variants.get(name) == now[name] for name in (h.better, h.than))
    )
