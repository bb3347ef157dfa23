"""Detections of several runs side by side."""

from collections.abc import Sequence
from pathlib import Path

from detectron2.config import instantiate
from tqdm import tqdm

from ..inference.failures import Failures
from ..inference.images import drawing_paths, find_images, write_rgb
from ..inference.predictor import LazyPredictor
from ..inference.side_by_side import draw_columns
from ..inference.visualize import grid, titled
from ..run_folder import read_config
from .predict import choose_threshold


def compare(
    runs: Sequence[str | Path],
    output: str | Path,
    inputs: Sequence[str] = (),
    num_images: int = 8,
    score_thresh: float | None = None,
    names: Sequence[str] | None = None,
    trust: Sequence[str] = (),
) -> list[Path]:
    """Write one picture per image into the folder `output`, with a column per run folder; returns their paths.

    `inputs` are files, folders or patterns; by default the first `num_images` of the first run's test data, with their
    ground truth as one more column. `score_thresh` is the minimum score to draw; by default each run's own, see
    `choose_threshold`, because a score means different things in detectors trained with different losses. `names` are
    the titles of the runs, `trust` lists modules of your own that their configs may use. An image that fails does not
    stop the others.

    Raises:
        ConfigError, CheckpointError: for an invalid run or checkpoint.
        DataError: for invalid inputs; at the end, for images that could not be read, processed or drawn.
    """
    predictors = [LazyPredictor.from_run(run, trust=trust) for run in runs]
    if inputs:
        entries = [{"file_name": str(path)} for path in find_images(inputs)]
    else:
        entries = instantiate(read_config(runs[0], trust=trust).dataloader.test.dataset)[:num_images]
    drawings = drawing_paths([e["file_name"] for e in entries], output)
    thresholds = [choose_threshold(str(run), None)[0] if score_thresh is None else score_thresh for run in runs]
    titles, failures = names or run_names(runs), Failures()
    for path, entry in zip(tqdm(drawings, desc="compare", unit="image"), entries, strict=True):
        with failures.of(entry["file_name"]):
            (row,) = draw_columns([entry], predictors, titles, thresholds)
            write_rgb(path, grid([[titled(image, title) for title, image in row]]))
    failures.raise_if_any()
    return drawings


def run_names(runs: Sequence[str | Path]) -> list[str]:
    """Names of the runs: the shortest ends of their paths that differ, or numbered folder names for equal paths."""
    parts = [Path(run).resolve().parts for run in runs]
    for length in range(1, max(map(len, parts)) + 1):
        names = ["/".join(p[-length:]) for p in parts]
        if len(set(names)) == len(names):
            return names
    return [f"{p[-1]} ({i})" for i, p in enumerate(parts, 1)]
