"""The map of a grid: the verdicts of all cells beside each other, corrected for the number of cells."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ...files import read_json, write_json, write_text
from ..report.render import render
from ..statistics.estimate import LEVEL
from ..statistics.wording import ALIKE, NONE
from .figure import draw_map
from .grid import Grid

NOT_RUN = "not run"


@dataclass(frozen=True)
class CellVerdict:
    """What the study of one cell says about one hypothesis.

    Attributes:
        row, column: levels of the two axes.
        outcome: as of `Verdict`, or "not run" if the cell has no report.
        difference: of the means of the two variants, in the unit of the metric; None if unknown.
        better, than: means of the two variants; None if unknown.
        p_corrected: of the cell's report times the number of cells (Bonferroni), at most 1; None without a verdict.
    """

    row: str
    column: str
    outcome: str
    difference: float | None = None
    better: float | None = None
    than: float | None = None
    p_corrected: float | None = None


def write_map(grid: Grid) -> Path:
    """Write map.json, map.md and map.png into the folder of a grid, from the reports of its cells.

    Returns the path of the picture.
    """
    reports = {cell: read_json(grid.folder(cell) / "report.json", {}) for cell in grid.cells}
    hypotheses = {
        _title(verdict): verdict["hypothesis"] for report in reports.values() for verdict in report.get("verdicts", ())
    }
    found = {
        title: [_cell_verdict(*cell, report, title, len(reports)) for cell, report in reports.items()]
        for title in hypotheses
    }
    plain = {
        "rows": {"name": grid.rows.name, "levels": list(grid.rows.levels)},
        "columns": {"name": grid.columns.name, "levels": list(grid.columns.levels)},
        "cells": {title: [asdict(one) for one in own] for title, own in found.items()},
    }
    write_json(grid.output_dir / "map.json", plain)
    write_text(grid.output_dir / "map.md", render("map.md.j2", {"grid": grid, "maps": found, "hypotheses": hypotheses}))
    return draw_map(grid, found, hypotheses, grid.output_dir / "map.png")


def _title(verdict: Mapping[str, Any]) -> str:
    h = verdict["hypothesis"]
    return f"{h['better']} is better than {h['than']} in {h['metric']}"


def _cell_verdict(row: str, column: str, report: Mapping[str, Any], title: str, num_cells: int) -> CellVerdict:
    verdict = next((v for v in report.get("verdicts", ()) if _title(v) == title), None)
    if verdict is None:
        return CellVerdict(row, column, NOT_RUN)
    metric = verdict["hypothesis"]["metric"]
    means = {one["variant"]: one["level"].get(metric, {}).get("mean") for one in report["rows"]}
    p = verdict["p_corrected"]
    corrected = None if p is None else min(1.0, num_cells * p)
    outcome = NONE if corrected is None else verdict["outcome"] if corrected < LEVEL else ALIKE
    h = verdict["hypothesis"]
    return CellVerdict(
        row, column, outcome, verdict["difference"]["mean"], means[h["better"]], means[h["than"]], corrected
    )
