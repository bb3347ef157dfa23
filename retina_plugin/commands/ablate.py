"""Run a study, or one in every cell of a grid, and report it."""

import sys

from ..study import Study, report_results, run_study, write_report
from ..study.execution.executors import Executor
from ..study.execution.results import RunResult, found_results
from ..study.grid.grid import Grid
from ..study.grid.map import write_map
from ..study.planning.planner import plan


def ablate(study: Study, executor: Executor | None = None, num_images: int = 4, report_only: bool = False) -> None:
    """Print which effects a study can detect, run it, then write and print its report, with `num_images` test images.

    Runs go to `executor`, by default one after another on this machine. `report_only` trains nothing.

    Raises:
        ConfigError, DataError: before any training, for a config or data that cannot be used.
        SystemExit: with 1 if a run failed.
    """
    if not report_only:
        print("\n".join(plan(study)))
    results = found_results(study) if report_only else run_study(study, executor)
    report_results(study, results, num_images)


def ablate_grid(grid: Grid, executor: Executor | None = None, num_images: int = 4, report_only: bool = False) -> None:
    """Run and report the study of every chosen cell of a grid, and draw the map of all cells that have a report.

    Prints first which differences the map can detect. Finished runs are kept, so the same command continues an
    interrupted grid. Arguments and errors are those of `ablate`.
    """
    if not report_only:
        print("\n".join(plan(grid.study(grid.chosen[0]), num_cells=len(grid.cells))))
    failed: list[RunResult] = []
    for number, cell in enumerate(grid.chosen, 1):
        study = grid.study(cell)
        print(f"cell {number} of {len(grid.chosen)}: {'/'.join(cell)}", flush=True)
        results = found_results(study) if report_only else run_study(study, executor)
        if not report_only or any(not result.error for result in results):
            print(f"report: {write_report(study, results, num_images)}", flush=True)
        failed += [] if report_only else [result for result in results if result.error]
        page = write_map(grid)
    print(page.with_name("map.md").read_text(encoding="utf-8"))
    print(f"map: {page}")
    if failed:
        sys.exit(f"error: {len(failed)} runs failed, the first in {failed[0].run_dir}: {failed[0].error}")
