"""The AP of an oracle: every foreground anchor scores 1 for its class and predicts its assigned box exactly.

Decoding, NMS and limits are the detector's own. So the AP bounds what training on this assignment asks for: a box
without foreground anchor is no anchor's target, and NMS leaves only one of two boxes of a class whose IoU exceeds its
threshold. A trained detector may still find boxes that it was not trained for.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from detectron2.evaluation.coco_evaluation import instances_to_coco_json
from detectron2.modeling.postprocessing import detector_postprocess
from detectron2.structures import Instances, pairwise_iou
from torch.nn.functional import one_hot

from ...evaluation.box_metrics import evaluate_boxes
from ...evaluation.truth import truth_of
from ...modeling import MatcherAssigner
from .assignment import Assignment
from .boxes import BoxImage
from .detector import AnchorDetector

_METRICS = ("AP", "AP50", "AP75", "APs", "APm", "APl")
_SAME = 0.95  # IoU, COCO's highest threshold


@dataclass(frozen=True)
class Ceiling:
    """The oracle's result.

    Attributes:
        metrics: COCO's AP by name, in percent; NaN without boxes of the size. Sizes are areas of boxes, not of masks.
        untrained: number of boxes without a foreground anchor.
        lost: number of boxes with a foreground anchor, but without a detection of their class at IoU .95. NMS, a limit
            on the number of detections or the clamp of the regression has removed it.
    """

    metrics: dict[str, float]
    untrained: int
    lost: int


def measure_ceiling(
    detector: AnchorDetector, images: Sequence[BoxImage], assignment: Assignment, low_quality: bool
) -> Ceiling:
    """Evaluate the oracle on images and the assignment of their boxes, with or without low-quality matches."""
    assigner = MatcherAssigner(detector.other_matcher(low_quality))
    is_trained = (assignment.lenient if low_quality else assignment.strict).sum(1) > 0
    detections, is_met = [], []
    for place, image in enumerate(images):
        found = _oracle(detector, assigner, image)
        is_met.append(_is_met(found, image))
        found = detector_postprocess(found, image.entry["height"], image.entry["width"])
        detections += instances_to_coco_json(found, place)
    truth = truth_of([image.entry for image in images], range(len(images)), detector.model.num_classes)
    stats = evaluate_boxes(truth, detections).stats[:6]
    values = [float("nan") if x < 0 else 100 * float(x) for x in stats]
    lost = is_trained & ~torch.cat(is_met)
    return Ceiling(dict(zip(_METRICS, values, strict=True)), int((~is_trained).sum()), int(lost.sum()))


def _oracle(detector: AnchorDetector, assigner: MatcherAssigner, image: BoxImage) -> Instances:
    """The oracle's detections in the resized image. Anchors that are not foreground score 0 and are left out."""
    model, anchors = detector.model, detector.anchors(image.size)
    targets = assigner(anchors, [image.instances], model.num_classes)
    numbers = [len(x) for x in anchors]
    kept, scores, deltas = [], [], []
    for own, label, box in zip(anchors, targets.labels[0].split(numbers), targets.boxes[0].split(numbers), strict=True):
        chosen = (label >= 0) & (label < model.num_classes)
        kept.append(own[chosen])
        scores.append(one_hot(label[chosen], model.num_classes).float())
        deltas.append(model.box2box_transform.get_deltas(own.tensor[chosen], box[chosen]))
    return model.inference_single_image(kept, scores, deltas, image.size)


def _is_met(found: Instances, image: BoxImage) -> torch.Tensor:
    """(G,) whether a detection of the box's class has an IoU of at least `_SAME` with it."""
    if not len(found) or not len(image.instances):
        return torch.zeros(len(image.instances), dtype=torch.bool)
    iou = pairwise_iou(image.instances.gt_boxes, found.pred_boxes)
    same_class = image.instances.gt_classes[:, None] == found.pred_classes[None]
    return ((iou >= _SAME) & same_class).any(1)
