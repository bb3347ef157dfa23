"""COCO's matching of detections to ground truth, kept by image so that AP can be computed on resampled images."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from pycocotools.coco import COCO

from ...evaluation.box_metrics import evaluate_boxes


@dataclass(frozen=True)
class RankedDetections:
    """All detections of one category under one area range, highest score first.

    Attributes:
        image: (D,) index of the image.
        score: (D,) in [0, 1].
        matched: (T, D) bool, whether the detection matches an object at IoU threshold t.
        ignored: (T, D) bool, whether the detection does not count: its object is a crowd or outside the area range,
            or it matches no object and is itself outside the area range.
    """

    image: np.ndarray
    score: np.ndarray
    matched: np.ndarray
    ignored: np.ndarray


@dataclass(frozen=True)
class Matches:
    """The detections of one run on I images, as `COCOeval.evaluate` matches them, by area range and category.

    Attributes:
        image_ids: I image ids of the json file.
        categories: K names.
        areas: names of the area ranges, "all" first.
        num_objects: (A, K, I) number of objects that count.
        ranked: ranked[a][k] are the detections under area range a and of category k.
        precision: (T, 101, K) over recall, for area range "all", from `COCOeval.accumulate`; NaN without objects.
    """

    image_ids: tuple[int, ...]
    categories: tuple[str, ...]
    areas: tuple[str, ...]
    num_objects: np.ndarray
    ranked: list[list[RankedDetections]]
    precision: np.ndarray


def match_detections(truth: COCO, detections: Sequence[dict[str, Any]], max_dets: int = 100) -> Matches:
    """Match detections in COCO's result format to boxes, at COCO's thresholds and area ranges.

    The annotations of `truth` must be complete (see `evaluation.complete_annotations`). The `max_dets` detections with
    the highest scores count, per image and category.

    Raises:
        ValueError: if a detection is in an image that is not in `truth`.
    """
    found = evaluate_boxes(truth, detections, [max_dets])
    numbers = [range(len(x)) for x in (found.areas, found.category_ids, found.image_ids)]
    by_area = [[[found.cells.get((k, a, i)) for i in numbers[2]] for k in numbers[1]] for a in numbers[0]]
    precision = found.eval["precision"][:, :, :, 0, -1]
    return Matches(
        image_ids=tuple(found.image_ids),
        categories=tuple(c["name"] for c in truth.loadCats(found.category_ids)),
        areas=tuple(found.areas),
        num_objects=np.array([[[_count(e) for e in k] for k in a] for a in by_area], float),
        ranked=[[_rank(k, len(found.ious)) for k in a] for a in by_area],
        precision=np.where(precision < 0, np.nan, precision),
    )


def _count(cell: dict[str, Any] | None) -> int:
    return 0 if cell is None else int(np.sum(np.asarray(cell["gtIgnore"]) == 0))


def _rank(cells: Sequence[dict[str, Any] | None], num_thresholds: int) -> RankedDetections:
    found = [(i, cell) for i, cell in enumerate(cells) if cell is not None and cell["dtScores"]]
    if not found:
        nothing = np.zeros((num_thresholds, 0), bool)
        return RankedDetections(np.zeros(0, int), np.zeros(0), nothing, nothing)
    score = np.concatenate([cell["dtScores"] for _, cell in found])
    order = np.argsort(-score, kind="mergesort")  # the order of ties in pycocotools
    image = np.concatenate([np.full(len(cell["dtScores"]), i) for i, cell in found])
    matched = np.concatenate([cell["dtMatches"] for _, cell in found], axis=1) != 0
    ignored = np.concatenate([cell["dtIgnore"] for _, cell in found], axis=1) != 0
    return RankedDetections(image[order], score[order], matched[:, order], ignored[:, order])
