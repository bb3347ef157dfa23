"""The same test images under every variant, starting with those on which the variants disagree most."""

import logging
from dataclasses import dataclass
from typing import Any

import numpy as np
from detectron2.config import instantiate
from omegaconf.errors import OmegaConfBaseException

from ...config import EVERYTHING
from ...inference.predictor import LazyPredictor
from ...inference.side_by_side import draw_columns
from ...pages.figures import jpeg_uri
from ...run_folder import read_config
from ..execution.results import RunResult
from ..spec.study import Study
from ..statistics.measurements import Measurements
from .disagreement import ImageCounts, best_threshold, count_images, rank_by_disagreement

logger = logging.getLogger(__name__)
_SCORE_THRESH = 0.3  # used without results by image


@dataclass(frozen=True)
class Tile:
    """One drawing: its title, the image as a data URI, and counts in words."""

    title: str
    image: str
    counts: str


@dataclass(frozen=True)
class Picture:
    """One test image under all variants, from their runs with one seed."""

    file_name: str
    seed: int
    tiles: list[Tile]


def draw_pictures(study: Study, measurements: Measurements, num_images: int) -> list[Picture]:
    """Drawings for the first seed that all variants finished; empty if weights or images of a run cannot be read."""
    runs = _runs_of_one_seed(study, measurements)
    if not runs or not num_images:
        return []
    try:
        entries, thresholds, counts = _choose(runs, measurements, num_images)
        predictors = [LazyPredictor.from_run(run.run_dir, trust=EVERYTHING) for run in runs]
        names = [run.variant for run in runs]
        drawn = list(draw_columns(entries, predictors, names, thresholds))
    except (ValueError, OSError, OmegaConfBaseException) as e:
        logger.warning("the report has no pictures, because they cannot be drawn: %s", e)
        return []
    return [
        Picture(entry["file_name"], runs[0].seed, _tiles(columns, words))
        for entry, columns, words in zip(entries, drawn, counts, strict=True)
    ]


def _tiles(columns: list[tuple[str, np.ndarray]], words: list[str]) -> list[Tile]:
    words = words[-len(columns) :]  # images without annotations have no column of ground truth
    return [Tile(title, jpeg_uri(image), text) for (title, image), text in zip(columns, words, strict=True)]


def _runs_of_one_seed(study: Study, measurements: Measurements) -> list[RunResult]:
    finished = [measurements.finished(v.name) for v in study.variants]
    finished = [runs for runs in finished if runs]
    seeds = [seed for seed in study.seeds if all(seed in runs for runs in finished)]
    return [runs[seeds[0]] for runs in finished] if seeds else []


def _choose(
    runs: list[RunResult], measurements: Measurements, num_images: int
) -> tuple[list[dict[str, Any]], list[float], list[list[str]]]:
    """Data set entries, one score threshold per run, and per entry the counts of ground truth and of every run."""
    entries = instantiate(read_config(runs[0].run_dir, trust=EVERYTHING).dataloader.test.dataset)
    if not measurements.evidence:
        entries = entries[:num_images]
        return entries, [_SCORE_THRESH] * len(runs), [[""] * (len(runs) + 1) for _ in entries]
    matches = [measurements.evidence[r.variant, r.seed].matches for r in runs]
    thresholds = [best_threshold(m) for m in matches]
    counts = [count_images(m, t) for m, t in zip(matches, thresholds, strict=True)]
    by_id = {entry["image_id"]: entry for entry in entries}
    ids = matches[0].image_ids
    order = [i for i in rank_by_disagreement(counts) if ids[i] in by_id][:num_images]
    return [by_id[ids[i]] for i in order], thresholds, [_words(counts, i) for i in order]


def _words(counts: list[ImageCounts], image: int) -> list[str]:
    objects = int(counts[0].objects[image])
    of_runs = [f"found {c.found[image]} of {objects}, {c.false[image]} false" for c in counts]
    return [f"{objects} objects" if objects != 1 else "1 object", *of_runs]
