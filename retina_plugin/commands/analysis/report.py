"""The page of one run."""

from collections.abc import Sequence
from pathlib import Path

from ...analysis.run_report import write_run_report
from ...run_folder import REPORT


def report(
    run: str | Path, output: str | Path | None = None, max_images: int | None = 500, trust: Sequence[str] = ()
) -> Path:
    """Write a page about a run folder: training, errors, findings, config; its path, by default RUN/report.html.

    See `write_run_report`, which also says what it raises.
    """
    return write_run_report(run, output or Path(run, REPORT), max_images, trust)
