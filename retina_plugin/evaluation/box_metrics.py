"""COCO's matching and precision of boxes, computed by hotcoco: pycocotools' numbers, bit for bit, in less time."""

import contextlib
import functools
import io
import os
from collections.abc import Sequence
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import hotcoco
import numpy as np
from detectron2.evaluation.coco_evaluation import COCOevalMaxDets
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

Detection = dict[str, Any]
"""A detection in COCO's result format: image_id, category_id, bbox in XYWH pixels, score."""
Cell = dict[str, Any]
"""How the detections of one image, category and area range are matched, with the keys of `COCOeval.evalImgs`."""
ALL_AREAS, SIZES = "all", ("small", "medium", "large")
SIZE_LIMITS = (32.0**2, 96.0**2)  # square pixels; an object of a limit's area has the next size
_pids: dict[str, int] = {}  # the process in which hotcoco has started its threads


@dataclass(frozen=True)
class BoxEvaluation:
    """An evaluation with the attributes of `COCOeval` that Detectron2 reads.

    T thresholds of IoU, 101 recalls, K categories in the order of their ids, A area ranges, M numbers of detections.

    Attributes:
        eval: "precision" and "scores" (T, 101, K, A, M), "recall" (T, K, A, M); -1 without objects.
        image_ids: ids of the evaluated images, ascending.
        category_ids: ids of all categories in the json file, ascending.
        areas: names of the area ranges.
        ious: (T,) thresholds.
        max_dets: the M numbers of detections per image and category, ascending.
    """

    eval: dict[str, np.ndarray]
    image_ids: list[Any]
    category_ids: list[Any]
    areas: list[str]
    ious: np.ndarray
    max_dets: list[int]
    _evaluation: Any

    @functools.cached_property
    def cells(self) -> dict[tuple[int, int, int], Cell]:
        """Cells by the indices of category, area range and image, without empty ones. The first access is slow."""
        images = {own: place for place, own in enumerate(sorted(self._evaluation.params.imgIds))}
        areas = {tuple(area): i for i, area in enumerate(self._evaluation.params.areaRng)}
        found = filter(None, self._evaluation.evalImgs)
        return {(x["category_id"], areas[tuple(x["aRng"])], images[x["image_id"]]): x for x in found}

    @functools.cached_property
    def stats(self) -> np.ndarray:
        """The 12 numbers of COCO's summary, first AP, AP50, AP75, APs, APm, APl; -1 without objects."""
        with contextlib.redirect_stdout(io.StringIO()):
            return self.summarize()

    def summarize(self) -> np.ndarray:
        """Print the lines that pycocotools prints, for any `max_dets`; returns the numbers of `stats`."""
        params = SimpleNamespace(iouType="bbox", iouThrs=self.ious, areaRngLbl=self.areas, maxDets=self.max_dets)
        evaluation = SimpleNamespace(params=params, eval=self.eval)
        COCOevalMaxDets.summarize(evaluation)
        return evaluation.stats


def mean_precision(precision: np.ndarray) -> float:
    """Mean in percent of COCO's precision, without its entries of -1 for no objects; NaN if there are no others."""
    known = precision[precision > -1]
    return 100 * float(known.mean()) if known.size else float("nan")


def evaluate_boxes(
    truth: COCO,
    detections: Sequence[Detection],
    max_dets: Sequence[int] = (1, 10, 100),
    img_ids: Sequence[Any] | None = None,
    ious: Sequence[float] | None = None,
    all_areas_only: bool = False,
) -> BoxEvaluation:
    """Match detections, possibly none, to ground-truth boxes, and compute precision and recall.

    Args:
        truth: with complete annotations, see `complete_annotations`.
        max_dets: how many detections, those with the highest scores, count per image and category; in any order.
        img_ids: evaluate only these images; None for all.
        ious: IoU thresholds; None for .5 to .95 in steps of .05.
        all_areas_only: whether to leave out the area ranges small, medium and large.

    Raises:
        ValueError: if a detection is in an image that is not in `truth`.
    """
    image_ids = sorted(truth.imgs if img_ids is None else truth.imgs.keys() & set(img_ids))
    category_ids = sorted(truth.cats)
    images, categories = ({x: i for i, x in enumerate(ids)} for ids in (sorted(truth.imgs), category_ids))
    if strange := {d["image_id"] for d in detections} - images.keys():
        raise ValueError(f"detections in image {min(strange)}, which the ground truth does not have")
    prepare = _with_hotcoco if image_ids and _has_threads() else _with_pycocotools
    evaluation = prepare(_ground_truth(truth, images, categories), _as_rows(detections, images, categories))
    params = evaluation.params
    params.maxDets, params.imgIds = sorted(max_dets), [images[i] for i in image_ids]
    params.iouThrs = params.iouThrs if ious is None else list(ious)
    if all_areas_only:
        params.areaRng, params.areaRngLbl = params.areaRng[:1], [ALL_AREAS]
    evaluation.params = params
    with contextlib.redirect_stdout(io.StringIO()):
        evaluation.evaluate()
        evaluation.accumulate()
    arrays = {name: np.asarray(evaluation.eval[name]) for name in ("precision", "recall", "scores")}
    areas, thresholds = list(params.areaRngLbl), np.asarray(params.iouThrs)
    return BoxEvaluation(arrays, image_ids, category_ids, areas, thresholds, list(params.maxDets), evaluation)


def _has_threads() -> bool:
    """False in a process that was forked from one in which hotcoco has run.

    The threads that hotcoco keeps do not survive a fork, and a process without them would wait forever.
    """
    return _pids.setdefault("hotcoco", os.getpid()) == os.getpid()


def _with_hotcoco(dataset: dict[str, Any], rows: np.ndarray) -> Any:
    known = hotcoco.COCO(dataset)
    return hotcoco.COCOeval(known, known.load_res(rows), "bbox")


def _with_pycocotools(dataset: dict[str, Any], rows: np.ndarray) -> Any:
    """For two cases that hotcoco cannot handle: forked processes, and no image, which it takes as all images."""
    with contextlib.redirect_stdout(io.StringIO()):
        known, found = COCO(), COCO()
        known.dataset, found.dataset = dataset, dataset | {"annotations": []}
        known.createIndex()
        found.createIndex()
        return COCOeval(known, known.loadRes(rows) if len(rows) else found, "bbox")


def _ground_truth(truth: COCO, images: dict[Any, int], categories: dict[Any, int]) -> dict[str, Any]:
    """The data set with ids that count from 0, since those of a json file may be anything that can be compared."""
    annotations = [
        {
            "id": number,
            "image_id": images[x["image_id"]],
            "category_id": categories[x["category_id"]],
            "bbox": x["bbox"],
            "area": x["area"],
            "iscrowd": x["iscrowd"],
        }
        for number, x in enumerate(truth.loadAnns(truth.getAnnIds()), 1)
        if x["image_id"] in images and x["category_id"] in categories
    ]
    return {
        "images": [{"id": i, "width": 1, "height": 1, "file_name": ""} for i in images.values()],
        "annotations": annotations,
        "categories": [{"id": i, "name": str(i)} for i in categories.values()],
    }


def _as_rows(detections: Sequence[Detection], images: dict[Any, int], categories: dict[Any, int]) -> np.ndarray:
    """(D, 7) image, box, score and category; without those of a category that the json file does not have."""
    rows = [
        (images[x["image_id"]], *x["bbox"], x["score"], categories[x["category_id"]])
        for x in detections
        if x["category_id"] in categories
    ]
    return np.array(rows, dtype=np.float64).reshape(-1, 7)
