"""AP of the detections above a score threshold, computed from an evaluation without a threshold.

RetinaNet keeps of every level the highest `test_topk_candidates` scores above the threshold, suppresses in order of the
score, and returns the highest `max_detections_per_image`. Each of these steps treats a detection without regard to
those that score less. So the detections with a threshold are those without one that score more than it. Two cases are
exempt: equal scores at one of the two limits, where the order is arbitrary, and pairs of boxes whose IoU equals
`test_nms_thresh` up to rounding, because torchvision shifts boxes of different classes apart if there are few.
"""

import contextlib
import io
from collections.abc import Sequence
from typing import Any

import numpy as np
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

Detection = dict[str, Any]
"""A detection in COCO's result format: image_id, category_id, bbox in XYWH pixels, score."""


def detections_above(detections: Sequence[Detection], score_thresh: float) -> list[Detection]:
    """The detections with a score above the threshold, compared in float32 as in the detector."""
    limit = np.float32(score_thresh)
    return [d for d in detections if np.float32(d["score"]) > limit]


def load_detections(truth: COCO, detections: Sequence[Detection]) -> COCO:
    """pycocotools' form of detections, of which there may be none; `detections` are not changed."""
    if detections:
        return truth.loadRes([dict(d) for d in detections])
    nothing = COCO()
    nothing.dataset = truth.dataset | {"annotations": []}
    nothing.createIndex()
    return nothing


def average_precision(
    truth: COCO, detections: Sequence[Detection], max_dets: int = 100, img_ids: Sequence[int] | None = None
) -> float:
    """COCO's box AP at IoU .5 to .95 over all areas, in percent; NaN without objects.

    The annotations of `truth` are complete (see `complete_annotations`). Of each image and category, the `max_dets`
    detections with the highest scores count. `img_ids` restricts the images.
    """
    with contextlib.redirect_stdout(io.StringIO()):
        evaluation = COCOeval(truth, load_detections(truth, detections), "bbox")
        evaluation.params.areaRng, evaluation.params.areaRngLbl = evaluation.params.areaRng[:1], ["all"]
        evaluation.params.maxDets = [max_dets]
        if img_ids is not None:
            evaluation.params.imgIds = list(img_ids)
        evaluation.evaluate()
        evaluation.accumulate()
    precision = evaluation.eval["precision"]
    known = precision[precision > -1]
    return 100 * float(known.mean()) if known.size else float("nan")
