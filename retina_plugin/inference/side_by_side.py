"""Draw the detections of several detectors on the same images."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from .images import read_rgb
from .predictor import LazyPredictor
from .visualize import draw_detections, draw_ground_truth


def draw_columns(
    entries: Sequence[dict[str, Any]],
    predictors: Sequence[LazyPredictor],
    names: Sequence[str],
    score_thresh: Sequence[float],
) -> Iterator[list[tuple[str, np.ndarray]]]:
    """For every dataset dict, pairs of title and drawing: ground truth if it is annotated, then one per predictor.

    `score_thresh` is the minimum score to draw, for each predictor.
    """
    for entry in entries:
        image = read_rgb(entry["file_name"])
        columns = []
        if "annotations" in entry:
            columns.append(("ground truth", draw_ground_truth(image, entry, predictors[0].metadata)))
        for predictor, name, thresh in zip(predictors, names, score_thresh, strict=True):
            drawing = draw_detections(image, predictor(image[:, :, ::-1]), predictor.metadata, thresh)
            columns.append((f"{name}, score at least {thresh:.3g}", drawing))
        yield columns
