"""What costs a run or its seeds AP, alone or compared with another variant."""

from collections.abc import Sequence
from pathlib import Path

from ...analysis.errors.analysis import analyze_run, with_seeds
from ...analysis.errors.page import summary, write_page
from ...analysis.errors.results import read_results
from ...config import ConfigError
from ...inference.images import create_folder
from ..compare import run_names


def analyze_errors(
    runs: Sequence[str | Path],
    output: str | Path | None = None,
    iou: float = 0.5,
    score_thresh: float | None = None,
    max_images: int | None = 500,
    trust: Sequence[str] = (),
    other: Sequence[str | Path] = (),
) -> str:
    """Write errors.html and errors.json about the last evaluation of run folders; returns a summary with the path.

    Args:
        runs: a run folder, or several that are seeds of one variant: intervals are then over seeds and images.
        output: a folder; by default "errors" in the first run folder.
        iou: IoU from which a detection is correct.
        score_thresh: least score of the detections in tables and pictures; by default that with the best F1.
        max_images: number of images whose anchors are computed, to explain errors; None for all, 0 for none.
        trust: modules of your own that the configs may use.
        other: as many run folders of another variant, compared with `runs` in their order on the same test data.

    Raises:
        ConfigError: if `other` and `runs` differ in number, for runs of different variants, a threshold out of range,
            or a folder without a config.
        DataError: for a run without detections, or runs with different test data.
        OSError: if `output` cannot be written to.
    """
    if other and len(other) != len(runs):
        raise ConfigError(
            f"--other takes as many runs as --run, which are compared pair by pair: {len(other)} and {len(runs)}"
        )
    if not 0.1 < iou < 1:
        raise ConfigError(f"--iou={iou:g} must lie between 0.1, where the background ends, and 1")
    if score_thresh is not None and not 0 <= score_thresh <= 1:
        raise ConfigError(f"--score-thresh={score_thresh:g} must lie between 0 and 1")
    if output is not None:
        create_folder(output)
    names = run_names([*runs, *other])
    found = []
    for own, titles in ((runs, names[: len(runs)]), (other, names[len(runs) :])):
        if own:
            first = analyze_run(own[0], iou, score_thresh, max_images, trust, titles[0])
            others = [read_results(run, iou, trust, name) for run, name in zip(own[1:], titles[1:], strict=True)]
            found.append(with_seeds(first, others))
    output = Path(runs[0], "errors") if output is None else Path(output)
    return f"{summary(write_page(found, output))}\n\n{output / 'errors.html'}"
