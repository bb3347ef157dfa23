"""Detections of several runs side by side."""

from collections.abc import Sequence
from pathlib import Path

from tqdm import tqdm

from ..inference.images import drawing_names, find_images, write_rgb
from ..inference.predictor import LazyPredictor
from ..inference.side_by_side import draw_columns, test_images
from ..inference.visualize import grid, titled


def compare(
    runs: Sequence[str | Path],
    output: str | Path,
    inputs: Sequence[str] = (),
    num_images: int = 8,
    score_thresh: float = 0.5,
    names: Sequence[str] | None = None,
) -> list[Path]:
    """Write one picture per image, with a column per run; the files written.

    Args:
        runs: run folders.
        output: folder.
        inputs: files, folders or patterns; by default the first images of the first run's test data, with their
            ground truth as one more column.
        num_images: number of test images.
        score_thresh: minimum score to draw.
        names: titles of the runs.

    Raises:
        DataError, ConfigError, CheckpointError: for an invalid image, run or checkpoint.
    """
    predictors = [LazyPredictor.from_run(run) for run in runs]
    if inputs:
        entries = [{"file_name": str(path)} for path in find_images(inputs)]
    else:
        entries = test_images(runs[0], num_images)
    written = [Path(output, name) for name in drawing_names([e["file_name"] for e in entries])]
    columns = draw_columns(entries, predictors, names or run_names(runs), [score_thresh] * len(runs))
    jobs = zip(columns, written, strict=True)
    for images, path in tqdm(jobs, desc="compare", unit="image", total=len(written)):
        write_rgb(path, grid([[titled(image, title) for title, image in images]]))
    return written


def run_names(runs: Sequence[str | Path]) -> list[str]:
    """The shortest ends of the paths that distinguish the runs."""
    parts = [Path(run).resolve().parts for run in runs]
    for length in range(1, max(map(len, parts)) + 1):
        names = ["/".join(p[-length:]) for p in parts]
        if len(set(names)) == len(names):
            return names
    return [f"{p[-1]} ({i})" for i, p in enumerate(parts, 1)]
