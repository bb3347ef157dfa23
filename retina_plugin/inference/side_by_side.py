"""Draw the detections of several detectors on the same images."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from detectron2.config import instantiate
from detectron2.data import Metadata

from ..run_folder import read_config
from .images import read_rgb
from .predictor import LazyPredictor
from .visualize import draw_detections, draw_ground_truth


def test_images(run: str | Path, num_images: int | None = None) -> list[dict[str, Any]]:
    """The first `num_images` entries of a run's test data, by default all."""
    return instantiate(read_config(run).dataloader.test.dataset)[:num_images]


def draw_columns(
    entries: Sequence[dict[str, Any]],
    predictors: Sequence[LazyPredictor],
    names: Sequence[str],
    score_thresh: Sequence[float],
) -> Iterator[list[tuple[str, np.ndarray]]]:
    """For every entry, titles and drawings: ground truth if it is annotated, then one per predictor.

    Args:
        entries: in the format of Detectron2's data sets.
        predictors: one per column.
        names: of the predictors.
        score_thresh: of each predictor, the minimum score to draw.
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
            columns.append((f"{name}, score at least {thresh:g}", drawing))
        yield columns
