"""The same test images under every variant, chosen to show most clearly what the table says."""

import logging
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from detectron2.config import instantiate
from omegaconf import DictConfig
from omegaconf.errors import OmegaConfBaseException

from ...config import EVERYTHING
from ...evaluation.truth import read_truth
from ...inference.images import read_rgb
from ...inference.predictor import LazyPredictor
from ...inference.side_by_side import draw_columns
from ...pages.figures import jpeg_uri
from ...run_folder import read_config, read_detections
from ..evidence.by_image import coco_test_data
from ..execution.results import RunResult
from ..spec.metrics import Metric
from ..spec.study import Study
from ..statistics.measurements import Measurements
from .disagreement import ImageCounts, best_threshold, compare_errors, count_images, rank_by_lead
from .judged_boxes import JudgedBox, draw_judged, judge_boxes, objects_of

logger = logging.getLogger(__name__)
_SCORE_THRESH = 0.3  # used without results by image


@dataclass(frozen=True)
class Tile:
    """One drawing: its title, the image as a data URI, and counts in words."""

    title: str
    image: str
    counts: str = ""


@dataclass(frozen=True)
class Picture:
    """One test image under all variants, from their runs with one seed."""

    file_name: str
    tiles: list[Tile]


@dataclass(frozen=True)
class Pictures:
    """Test images, how they were chosen in one paragraph, and whether their boxes are judged as right or false."""

    chosen: str
    judged: bool
    images: list[Picture]


def draw_pictures(study: Study, measurements: Measurements, metric: Metric, num_images: int) -> Pictures | None:
    """Drawings for the first seed that all variants with finished runs share; None without one, or if drawing fails.

    Images are chosen by the errors of the best and worst variant by `metric`; without results by image, the first ones.
    """
    runs = _runs_of_one_seed(study, measurements)
    if not runs or not num_images:
        return None
    try:
        if measurements.evidence:
            return _judged_pictures(runs, measurements, metric, num_images)
        return _first_images(runs, num_images)
    except (ValueError, OSError, OmegaConfBaseException) as e:
        logger.warning("the report has no pictures, because they cannot be drawn: %s", e)
        return None


def _runs_of_one_seed(study: Study, measurements: Measurements) -> list[RunResult]:
    finished = [measurements.finished(v.name) for v in study.variants]
    finished = [runs for runs in finished if runs]
    seeds = [seed for seed in study.seeds if all(seed in runs for runs in finished)]
    return [runs[seeds[0]] for runs in finished] if seeds else []


def _first_images(runs: list[RunResult], num_images: int) -> Pictures:
    """The first images, with detections that the detectors compute now: for runs without results by image."""
    entries = instantiate(_config(runs[0]).dataloader.test.dataset)[:num_images]
    predictors = [LazyPredictor.from_run(run.run_dir, trust=EVERYTHING) for run in runs]
    drawn = draw_columns(entries, predictors, [run.variant for run in runs], [_SCORE_THRESH] * len(runs))
    images = [
        Picture(entry["file_name"], [Tile(title, jpeg_uri(image)) for title, image in columns])
        for entry, columns in zip(entries, drawn, strict=True)
    ]
    return Pictures(f"The first test images, with seed {runs[0].seed}.", False, images)


def _judged_pictures(runs: list[RunResult], measurements: Measurements, metric: Metric, num_images: int) -> Pictures:
    """Images with the detections that the evaluations wrote, each run above the score threshold of its best F1."""
    matches = [measurements.evidence[r.variant, r.seed].matches for r in runs]
    thresholds = [best_threshold(m) for m in matches]
    counts = [count_images(m, t) for m, t in zip(matches, thresholds, strict=True)]
    best, worst = _ends_of_table(runs, measurements, metric)
    order = rank_by_lead(counts[best], counts[worst])[:num_images]
    chosen = _why_these([runs[i].variant for i in (best, worst)], metric, compare_errors(counts[best], counts[worst]))
    ids = matches[0].image_ids
    shown = {place: ids[place] for place in order or range(min(num_images, len(ids)))}
    return Pictures(f"{chosen} Seed {runs[0].seed}.", True, list(_draw(runs, thresholds, counts, shown)))


def _ends_of_table(runs: list[RunResult], measurements: Measurements, metric: Metric) -> tuple[int, int]:
    """The runs of the variants with the best and the worst mean of a metric."""
    sign = 1 if metric.higher_is_better else -1
    means = [sign * measurements.mean(run.variant, metric).mean for run in runs]
    known = [place for place, mean in enumerate(means) if not math.isnan(mean)] or [0]
    return max(known, key=means.__getitem__), min(known, key=means.__getitem__)


def _why_these(names: list[str], metric: Metric, compared: tuple[int, int, int]) -> str:
    more, fewer, alike = compared
    best, worst = names
    if not more:
        return "The first test images."
    return (
        f"Chosen to show the direction of the table, not typical: {best} has the best {metric.name} there and {worst} "
        f"the worst, and on these images {worst} makes more errors than {best} by the largest margins. Of all "
        f"{sum(compared)} test images, {worst} makes more errors on {more}, fewer on {fewer} and as many on {alike}."
    )


def _config(run: RunResult) -> DictConfig:
    return read_config(run.run_dir, trust=EVERYTHING)


def _draw(
    runs: list[RunResult], thresholds: list[float], counts: list[ImageCounts], shown: dict[int, Any]
) -> Iterator[Picture]:
    """Test images under all runs; `shown` are ids of images by their index in the counts."""
    cfg = _config(runs[0])
    json_file, max_dets = coco_test_data(cfg)
    truth = read_truth(json_file)
    files = {x["image_id"]: x["file_name"] for x in instantiate(cfg.dataloader.test.dataset)}
    detections = [
        [d for d in read_detections(run.run_dir) if d["score"] >= threshold]
        for run, threshold in zip(runs, thresholds, strict=True)
    ]
    for place, image_id in shown.items():
        image = read_rgb(files[image_id])
        objects = objects_of(truth, image_id).values()
        boxes = [JudgedBox(x["bbox"], "object", truth.cats[x["category_id"]]["name"]) for x in objects]
        tiles = [
            Tile("ground truth", jpeg_uri(draw_judged(image, boxes)), f"{len(boxes)} object{'s' * (len(boxes) != 1)}")
        ]
        for run, threshold, own, found in zip(runs, thresholds, counts, detections, strict=True):
            judged = judge_boxes(truth, found, image_id, max_dets)
            words = f"found {own.found[place]} of {own.objects[place]}, {own.false[place]} false"
            title = f"{run.variant}, score at least {threshold:g}"
            tiles.append(Tile(title, jpeg_uri(draw_judged(image, judged)), words))
        yield Picture(files[image_id], tiles)
