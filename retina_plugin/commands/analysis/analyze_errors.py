"""What costs one or two runs AP."""

from collections.abc import Sequence
from pathlib import Path

from ...analysis.errors.analysis import analyze_run
from ...analysis.errors.page import summary, write_page
from ...config import ConfigError
from ..compare import run_names


def analyze_errors(
    runs: Sequence[str | Path],
    output: str | Path | None = None,
    iou: float = 0.5,
    score_thresh: float | None = None,
    max_images: int | None = 500,
    trust: Sequence[str] = (),
) -> str:
    """Write errors.html and errors.json about the last evaluation of one run folder, or of two; their summary.

    Args:
        runs: one run folder, or two whose test data are the same.
        output: a folder; by default "errors" in the first run folder.
        iou: from which a detection is correct.
        score_thresh: least score of the detections in tables and pictures; by default that with the best F1.
        max_images: of which the anchors behind errors are computed; None for all.
        trust: modules of your own that the configs may use.

    Raises:
        ConfigError: for another number of runs, a threshold out of range, or a folder without a config.
        DataError: for a run without detections, or two runs with different test data.
        OSError: if `output` cannot be written to.
    """
    if len(runs) not in (1, 2):
        raise ConfigError(f"--run takes one run folder or two to compare, got {len(runs)}")
    if not 0.1 < iou < 1:
        raise ConfigError(f"--iou={iou:g} must lie between 0.1, where the background ends, and 1")
    if score_thresh is not None and not 0 <= score_thresh <= 1:
        raise ConfigError(f"--score-thresh={score_thresh:g} must lie between 0 and 1")
    found = [
        analyze_run(run, iou, score_thresh, max_images, trust, name)
        for run, name in zip(runs, run_names(runs), strict=True)
    ]
    output = Path(runs[0], "errors") if output is None else Path(output)
    return f"{summary(write_page(found, output))}\n\n{output / 'errors.html'}"
