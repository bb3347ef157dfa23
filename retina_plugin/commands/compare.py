"""The same images under several runs, side by side."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from detectron2.config import instantiate
from detectron2.data import Metadata
from tqdm import tqdm

from ..config import load_config
from ..predictor import LazyPredictor
from ..visualize import draw_detections, draw_ground_truth, grid, titled
from .images import drawing_names, find_images, read_rgb, write_rgb

__all__ = ["compare", "draw_columns", "run_names", "test_images"]


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
        num_images: how many of the test data.
        score_thresh: only detections above are drawn.
        names: titles of the runs.

    Raises:
        DataError, ConfigError, CheckpointError: for an image, a run or a checkpoint that cannot be used.
    """
    predictors = [LazyPredictor.from_run(run) for run in runs]
    if inputs:
        entries = [{"file_name": str(path)} for path in find_images(inputs)]
    else:
        entries = test_images(runs[0], num_images)
    written = [Path(output, name) for name in drawing_names([e["file_name"] for e in entries])]
    columns = draw_columns(
        entries, predictors, names or run_names(runs), [score_thresh] * len(runs)
    )
    jobs = zip(columns, written, strict=True)
    for images, path in tqdm(jobs, desc="compare", unit="image", total=len(written)):
        write_rgb(path, grid([[titled(image, title) for title, image in images]]))
    return written


def test_images(run: str | Path, num_images: int | None = None) -> list[dict[str, Any]]:
    """The first entries of a run's test data, or all of them."""
    cfg = load_config(Path(run) / "config.yaml")
    return instantiate(cfg.dataloader.test.dataset)[:num_images]


def run_names(runs: Sequence[str | Path]) -> list[str]:
    """Shortest ends of the paths that tell the runs apart."""
    parts = [Path(run).resolve().parts for run in runs]
    for length in range(1, max(map(len, parts)) + 1):
        names = ["/".join(p[-length:]) for p in parts]
        if len(set(names)) == len(names):
            return names
    return [f"{p[-1]} ({i})" for i, p in enumerate(parts, 1)]


def draw_columns(
    entries: Sequence[dict[str, Any]],
    predictors: Sequence[LazyPredictor],
    names: Sequence[str],
    score_thresh: Sequence[float],
) -> Iterator[list[tuple[str, np.ndarray]]]:
    """For every data set entry its drawings with their titles: ground truth if it has any, then one per predictor.

    Args:
        entries: as Detectron2's data sets give them.
        predictors: one per column.
        names: of the predictors.
        score_thresh: of each predictor; only detections above are drawn.
    """
    for entry in entries:
        image = read_rgb(entry["file_name"])
        columns = []
        if "annotations" in entry:
            metadata: Metadata = predictors[0].metadata
            columns.append(("ground truth", draw_ground_truth(image, entry, metadata)))
        for predictor, name, thresh in zip(predictors, names, score_thresh, strict=True):
            instances = predictor(image[:, :, ::-1])
            drawing = draw_detections(image, instances, predictor.metadata, thresh)
            columns.append((f"{name}, score over {thresh:g}", drawing))
        yield columns
