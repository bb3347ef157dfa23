"""The same test images under every variant, those first on which the variants disagree most."""

from __future__ import annotations

import base64
import logging
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np

from ..commands.compare import draw_columns, test_images
from ..predictor import LazyPredictor
from .disagreement import best_threshold, rank_by_disagreement
from .measurements import Measurements
from .results import RunResult
from .spec import Study

__all__ = ["Picture", "draw_pictures"]

logger = logging.getLogger(__name__)
_SCORE_THRESH = 0.3  # without results by image
_WIDEST = 640  # pixels of an embedded drawing


@dataclass(frozen=True)
class Picture:
    """One test image: its file, how far the variants' F1 lies apart on it (NaN if unknown), and titled drawings."""

    file_name: str
    apart: float
    columns: list[tuple[str, str]]


def draw_pictures(study: Study, measurements: Measurements, num_images: int) -> list[Picture]:
    """Drawings of the first seed that all variants finished; none if a run's weights or images cannot be read."""
    runs = _runs_of_one_seed(study, measurements)
    if not runs or not num_images:
        return []
    try:
        chosen, thresholds = _choose(runs, measurements, num_images)
        predictors = [LazyPredictor.from_run(run.run_dir) for run in runs]
        names = [run.variant for run in runs]
        drawn = list(draw_columns([e for e, _ in chosen], predictors, names, thresholds))
    except (ValueError, OSError) as e:
        logger.warning("the report has no pictures: %s", e)
        return []
    return [
        Picture(entry["file_name"], apart, [(title, _jpeg_uri(image)) for title, image in columns])
        for (entry, apart), columns in zip(chosen, drawn, strict=True)
    ]


def _runs_of_one_seed(study: Study, measurements: Measurements) -> list[RunResult]:
    finished = [measurements.finished(v.name) for v in study.variants]
    finished = [runs for runs in finished if runs]
    seeds = [seed for seed in study.seeds if all(seed in runs for runs in finished)]
    return [runs[seeds[0]] for runs in finished] if seeds else []


def _choose(
    runs: list[RunResult], measurements: Measurements, num_images: int
) -> tuple[list[tuple[dict[str, Any], float]], list[float]]:
    """Data set entries with how far F1 lies apart, and a score threshold per run."""
    if not measurements.evidence:
        entries = test_images(runs[0].run_dir, num_images)
        return [(entry, float("nan")) for entry in entries], [_SCORE_THRESH] * len(runs)
    matches = [measurements.evidence[r.variant, r.seed].matches for r in runs]
    thresholds = [best_threshold(m) for m in matches]
    entries = {entry["image_id"]: entry for entry in test_images(runs[0].run_dir)}
    ranked = rank_by_disagreement(matches, thresholds)
    found = [(entries[image_id], apart) for image_id, apart in ranked if image_id in entries]
    return found[:num_images], thresholds


def _jpeg_uri(image: np.ndarray) -> str:
    scale = min(1.0, _WIDEST / image.shape[1])
    if scale < 1:
        image = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    done, data = cv2.imencode(".jpg", image[:, :, ::-1], [cv2.IMWRITE_JPEG_QUALITY, 80])
    if not done:
        raise OSError("a drawing cannot be written as JPEG")
    return "data:image/jpeg;base64," + base64.b64encode(data.tobytes()).decode()
