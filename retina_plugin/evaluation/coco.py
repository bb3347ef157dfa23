"""Detectron2's COCO evaluator, also for detectors without detections and annotations without area."""

from typing import Any

from detectron2 import evaluation
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval


def complete_annotations(truth: COCO) -> None:
    """Fill in the `area` and `iscrowd` that many json files lack: the area of the box, and 0."""
    for annotation in truth.anns.values():
        _, _, width, height = annotation["bbox"]
        annotation.setdefault("area", width * height)
        annotation.setdefault("iscrowd", 0)


class COCOEvaluator(evaluation.COCOEvaluator):
    """Overrides upstream's evaluator so that AP is 0, not NaN, without detections, and annotations may lack `area`."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        """Takes the arguments of upstream's evaluator."""
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
