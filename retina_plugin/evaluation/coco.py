"""Detectron2's COCO evaluator, also for detectors without detections and annotations without area."""

import itertools
import types
from collections.abc import Sequence
from typing import Any

from detectron2 import evaluation
from detectron2.evaluation import coco_evaluation
from detectron2.utils.file_io import PathManager
from pycocotools.coco import COCO

from .box_metrics import Detection, evaluate_boxes
from .calibration import calibration_metrics, match_scores
from .thresholds import average_precision, best_f1, detections_above
from .truth import complete_annotations

_TASKS = ("bbox", "segm", "keypoints")  # of upstream


class COCOEvaluator(evaluation.COCOEvaluator):
    """Overrides upstream's evaluator: boxes are evaluated faster, and their AP is 0, not NaN, without detections.

    Annotations are completed. See `evaluate_boxes` and `complete_annotations`.
    """

    def __init__(
        self,
        dataset_name: str | Sequence[str],
        *args: Any,
        deployment_thresh: float | None = None,
        calibration: bool = False,
        max_dets_per_image: int | Sequence[int] | None = None,
        **kwargs: Any,
    ) -> None:
        """Takes the arguments of upstream's evaluator.

        Args:
            dataset_name: as of upstream, or a list with one name, as the test loader takes it.
            deployment_thresh: also report AP of the detections with a score above this, as "AP_above_0.05" for .05;
                for detectors that are evaluated with a lower threshold.
            calibration: also report how well scores agree with precision (see `calibration_metrics`), as the task
                "calibration".
            max_dets_per_image: how many detections per image and category count; or three such ascending numbers, the
                last for AP, and all for AR. Upstream counts at least 10.

        Raises:
            ValueError: for several data sets, other numbers, or an unknown task.
        """
        names = [dataset_name] if isinstance(dataset_name, str) else list(dataset_name)
        if len(names) != 1:
            raise ValueError(
                f"dataloader.evaluator.dataset_name must be one data set, got {', '.join(names) or 'none'}: set "
                "dataloader.test.dataset.names to one of them; --eval-only evaluates a run on another"
            )
        most = 100 if max_dets_per_image is None else max_dets_per_image
        numbers = list(most) if isinstance(most, Sequence) else [min(number, most) for number in (1, 10, most)]
        if len(numbers) != 3:
            raise ValueError(f"dataloader.evaluator.max_dets_per_image must be a number or three, got {numbers}")
        if min(numbers) < 1 or numbers != sorted(numbers):  # AP would count the highest, not the last
            raise ValueError(f"dataloader.evaluator.max_dets_per_image must be 1 or more, and ascend, got {most}")
        super().__init__(names[0], *args, **{"use_fast_impl": False} | kwargs)  # which would warn
        if unknown := sorted(set(self._tasks or ()) - set(_TASKS)):
            raise ValueError(f"dataloader.evaluator.tasks must be of {', '.join(_TASKS)}, got {', '.join(unknown)}")
        self._max_dets_per_image = numbers
        self.deployment_thresh, self.calibration = deployment_thresh, calibration
        self._detections_dir, self._img_ids = self._output_dir, None
        complete_annotations(self._coco_api)

    def evaluate(self, img_ids: Sequence[int] | None = None) -> dict[str, Any]:
        """Metrics by task and name, of the images `img_ids` or of all.

        The task "best_F1" has the highest F1 and its score threshold, see `thresholds.best_f1`.
        Detections are saved as coco_instances_results.json only: upstream saves them a second time, as
        instances_predictions.pth, which takes more than half of its time here. Proposals are not saved.
        """
        folder, self._output_dir = self._output_dir, None
        self._detections_dir, self._img_ids = folder, img_ids
        try:
            return super().evaluate(img_ids)
        finally:
            self._output_dir = folder

    def _eval_predictions(self, predictions: list[dict[str, Any]], img_ids: Sequence[int] | None = None) -> None:
        if self._detections_dir:
            self._output_dir = self._detections_dir
            PathManager.mkdirs(self._output_dir)
        self._check_categories(predictions)
        _eval_predictions(self, predictions, img_ids)
        if "bbox" not in self._results:
            return  # the images have no annotations
        detections = list(itertools.chain.from_iterable(x["instances"] for x in predictions))
        rest = max(self._max_dets_per_image), img_ids
        if self.deployment_thresh is not None:
            kept = detections_above(detections, self.deployment_thresh)
            name = f"AP_above_{self.deployment_thresh:g}"
            self._results["bbox"][name] = average_precision(self._coco_api, kept, *rest)
        if self.calibration:
            scores, correct = match_scores(self._coco_api, detections, *rest)
            self._results["calibration"] = calibration_metrics(scores, correct)

    def _check_categories(self, predictions: list[dict[str, Any]]) -> None:
        """Raise a ValueError if labels are taken for category ids, as the data set is not loaded, and do not fit."""
        if hasattr(self._metadata, "thing_dataset_id_to_contiguous_id"):
            return
        found = {d["category_id"] for x in predictions for d in x.get("instances", ())}
        if unknown := sorted(found - self._coco_api.cats.keys()):
            name = self._metadata.name
            raise ValueError(
                f"detections in {name} have labels that are no category ids of its json, such as {unknown[0]}, and its "
                f"metadata do not map them: load it first, as by DatasetCatalog.get({name!r}), or train for these ids"
            )

    def _derive_coco_results(
        self, coco_eval: Any, iou_type: str, class_names: list[str] | None = None
    ) -> dict[str, float]:
        if coco_eval is None and iou_type == "bbox":
            coco_eval = evaluate_boxes(self._coco_api, [], img_ids=self._img_ids)
        if iou_type == "bbox" and (best := best_f1(coco_eval)):
            self._results["best_F1"] = dict(zip(("F1", "score_thresh"), best, strict=True))
        return super()._derive_coco_results(coco_eval, iou_type, class_names)


def _evaluate(truth: COCO, detections: list[Detection], iou_type: str, **kwargs: Any) -> Any:
    """Replaces Detectron2's `_evaluate_predictions_on_coco` in its evaluator."""
    if iou_type != "bbox":
        return coco_evaluation._evaluate_predictions_on_coco(truth, detections, iou_type, **kwargs)
    found = evaluate_boxes(truth, detections, kwargs["max_dets_per_image"], kwargs["img_ids"])
    found.summarize()
    return found


# Upstream's evaluator calls functions of its module. Here its code runs with one of them replaced; upstream's module
# does not change.
_eval_predictions = types.FunctionType(
    evaluation.COCOEvaluator._eval_predictions.__code__,
    vars(coco_evaluation) | {"_evaluate_predictions_on_coco": _evaluate},
)
