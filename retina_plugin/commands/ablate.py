"""Run a study and report it."""

from ..study import Study, report_results, run_study
from ..study.execution.executors import Executor
from ..study.execution.results import found_results


def ablate(study: Study, executor: Executor | None = None, num_images: int = 4, report_only: bool = False) -> None:
    """Prepare, run and measure a study, then write and print its report.

    Args:
        study: what to run.
        executor: where; by default on this machine, one run after another.
        num_images: test images that the report shows under all variants.
        report_only: report the runs in the study's folder as they are, and train nothing.

    Raises:
        ConfigError, DataError: before any training, for a config or data that cannot be used.
        SystemExit: with 1 if a run failed.
    """
    results = found_results(study) if report_only else run_study(study, executor)
    report_results(study, results, num_images)
