"""Score thresholds: AP above a threshold, from detections without a threshold; and the threshold with the best F1.

RetinaNet keeps the highest `test_topk_candidates` scores above the threshold on every level, applies NMS in order of
the score, and returns the highest `max_detections_per_image`. In no step does a detection depend on others with lower
scores. So a threshold gives exactly the detections that score above it without a threshold. There are two exceptions:
equal scores at one of the two limits, where the order is arbitrary, and pairs of boxes whose IoU equals
`test_nms_thresh` up to rounding, because torchvision shifts boxes of different classes apart if there are few boxes.
"""

from collections.abc import Sequence

import numpy as np
from pycocotools.coco import COCO

from .box_metrics import BoxEvaluation, Detection, evaluate_boxes, mean_precision


def detections_above(detections: Sequence[Detection], score_thresh: float) -> list[Detection]:
    """The detections with a score above the threshold, compared in float32 as in the detector."""
    limit = np.float32(score_thresh)
    return [d for d in detections if np.float32(d["score"]) > limit]


def average_precision(
    truth: COCO, detections: Sequence[Detection], max_dets: int = 100, img_ids: Sequence[int] | None = None
) -> float:
    """COCO's box AP at IoU .5 to .95 over all areas, in percent; NaN without objects.

    The annotations of `truth` are complete (see `complete_annotations`). Of each image and category, the `max_dets`
    detections with the highest scores count. `img_ids` restricts the images.
    """
    found = evaluate_boxes(truth, detections, [max_dets], img_ids, all_areas_only=True)
    return mean_precision(found.eval["precision"])


def best_f1(found: BoxEvaluation) -> tuple[float, float] | None:
    """The highest F1 in percent for one score threshold, and this threshold; None without a correct detection.

    F1 = 2 P R / (P + R) is taken at IoU .5 over all areas, and averaged over the categories that have objects.
    Precision is interpolated as in COCO's AP: at each of 101 recalls, the highest at this recall or above.
    """
    precision, scores = (found.eval[name][0, :, :, 0, -1] for name in ("precision", "scores"))  # (101, K)
    has_objects = (precision > -1).all(axis=0)
    precision, scores = precision[:, has_objects], scores[:, has_objects]
    recall = np.linspace(0, 1, len(precision))[:, None]
    f1 = 200 * precision * recall / np.maximum(precision + recall, 1e-9)
    known = precision > 0
    # lowering the threshold to the score at a recall changes the F1 of that category to its value there
    gains = np.diff(np.where(known, f1, 0), axis=0, prepend=0)[known]
    if not gains.any():
        return None
    order = np.argsort(-scores[known], kind="stable")
    ordered, means = scores[known][order], np.cumsum(gains[order]) / precision.shape[1]
    last_of_equals = np.append(ordered[1:] != ordered[:-1], True)
    best = int(np.argmax(means[last_of_equals].round(9)))  # of equal ones the highest threshold, whatever the rounding
    return float(means[last_of_equals][best]), float(ordered[last_of_equals][best])
