"""Run a study and report it."""

from ..study import Study, report_results, run_study
from ..study.execution.executors import Executor
from ..study.execution.results import found_results
from ..study.planning.planner import plan


def ablate(study: Study, executor: Executor | None = None, num_images: int = 4, report_only: bool = False) -> None:
    """Print which effects a study can see, run it, then write and print its report, with `num_images` test images.

    Runs go to `executor`, by default one after another on this machine. `report_only` trains nothing.

    Raises:
        ConfigError, DataError: before any training, for a config or data that cannot be used.
        SystemExit: with 1 if a run failed.
    """
    if not report_only:
        print("\n".join(plan(study)))
    results = found_results(study) if report_only else run_study(study, executor)
    report_results(study, results, num_images)
