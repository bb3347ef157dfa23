"""The map of a grid: the verdicts of all cells beside each other, corrected for the number of cells."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ...files import read_json, write_json, write_text
from ..report.render import render
from ..spec.hypothesis import Hypothesis
from ..statistics.estimate import LEVEL
from ..statistics.wording import ALIKE, BETTER, EQUIVALENT, NONE, WORSE
from .figure import draw_map
from .grid import Cell, Grid

NOT_RUN, OTHER = "not run", "run with other settings"


@dataclass(frozen=True)
class CellVerdict:
    """What the study of one cell says about one hypothesis.

    Attributes:
        row, column: levels of the two axes.
        outcome: as of `Verdict`; "not run" if the cell has no report, "run with other settings" if it is of others.
        difference: of the means of the two variants, in the unit of the metric; None if unknown.
        better, than: means of the two variants; None if unknown.
        p_corrected: of the cell's report times the number of cells (Bonferroni), at most 1; None without a verdict.
        p_equivalent: of equivalence, corrected alike; None without a margin.
        flags: of the cell's verdict, such as collapsed runs.
    """

    row: str
    column: str
    outcome: str
    difference: float | None = None
    better: float | None = None
    than: float | None = None
    p_corrected: float | None = None
    p_equivalent: float | None = None
    flags: tuple[str, ...] = ()


def write_map(grid: Grid) -> Path:
    """Write map.json, map.md and map.png into the folder of a grid, from the reports of its cells.

    Returns the path of the picture.
    """
    reports = {cell: read_json(grid.folder(cell) / "report.json", {}) for cell in grid.cells}
    hypotheses = grid.study(grid.cells[0]).questions
    maps = {h: [_cell_verdict(grid, cell, report, h) for cell, report in reports.items()] for h in hypotheses}
    plain = {
        "rows": {"name": grid.rows.name, "levels": list(grid.rows.levels)},
        "columns": {"name": grid.columns.name, "levels": list(grid.columns.levels)},
        "cells": {str(h): [asdict(one) for one in own] for h, own in maps.items()},
    }
    write_json(grid.output_dir / "map.json", plain)
    write_text(grid.output_dir / "map.md", render("map.md.j2", {"grid": grid, "maps": maps}))
    return draw_map(grid, maps, grid.output_dir / "map.png")


def _cell_verdict(grid: Grid, cell: Cell, report: Mapping[str, Any], h: Hypothesis) -> CellVerdict:
    if not report:
        return CellVerdict(*cell, NOT_RUN)
    wanted = (h.better, h.than, h.metric.name, h.margin)
    keys = ("better", "than", "metric", "margin")
    found = [v for v in report["verdicts"] if tuple(v["hypothesis"].get(key) for key in keys) == wanted]
    if not found or report["facts"]["overrides"] != grid.settings(cell):
        return CellVerdict(*cell, OTHER)
    (verdict,) = found
    means = {row["variant"]: row["level"].get(h.metric.name, {}).get("mean") for row in report["rows"]}
    p, equivalent = (
        None if verdict[key] is None else min(1.0, len(grid.cells) * verdict[key])
        for key in ("p_corrected", "p_equivalent")
    )
    difference = verdict["difference"]["mean"]
    outcome = _decide(difference, p, equivalent, h.metric.higher_is_better)
    return CellVerdict(
        *cell, outcome, difference, means[h.better], means[h.than], p, equivalent, tuple(verdict["flags"])
    )


def _decide(difference: float | None, p: float | None, equivalent: float | None, higher_is_better: bool) -> str:
    if p is None or difference is None:
        return NONE
    if equivalent is not None and equivalent < LEVEL:
        return EQUIVALENT
    if p >= LEVEL:
        return ALIKE
    return BETTER if (difference > 0) == higher_is_better else WORSE
