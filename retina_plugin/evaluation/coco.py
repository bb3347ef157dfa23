"""Detectron2's COCO evaluator, with an answer for a detector that finds nothing."""

from __future__ import annotations

from typing import Any

from detectron2 import evaluation
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

__all__ = ["COCOEvaluator", "complete_annotations"]


def complete_annotations(truth: COCO) -> None:
    """Give every annotation the `area` and `iscrowd` that many json files leave out: the box's area, and no crowd."""
    for annotation in truth.anns.values():
        _, _, width, height = annotation["bbox"]
        annotation.setdefault("area", width * height)
        annotation.setdefault("iscrowd", 0)


class COCOEvaluator(evaluation.COCOEvaluator):
    """Opens two closed points of upstream's.

    Its NaN for no detections at all: where there are objects, their AP is then 0. Its need for the `area` and `iscrowd`
    of every annotation: see `complete_annotations`.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """As upstream's."""
        super().__init__(*args, **kwargs)
        complete_annotations(self._coco_api)

    def _derive_coco_results(
        self, coco_eval: COCOeval | None, iou_type: str, class_names: list[str] | None = None
    ) -> dict[str, float]:
        if coco_eval is None:
            coco_eval = _evaluate_nothing(self._coco_api, iou_type)
        return super()._derive_coco_results(coco_eval, iou_type, class_names)


def _evaluate_nothing(truth: COCO, iou_type: str) -> Any:
    nothing = COCO()
    nothing.dataset = truth.dataset | {"annotations": []}
    nothing.createIndex()
    coco_eval = COCOeval(truth, nothing, iou_type)
    coco_eval.evaluate()
    coco_eval.accumulate()
    coco_eval.summarize()
    return coco_eval
