"""Follows one missed object or one false detection through the detector, from its anchors on."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torchvision.ops import box_convert, clip_boxes_to_image

from ...modeling import PluggableRetinaNet
from ..dense import DenseImage
from .results import Results
from .types import Errors, Kind, box_iou

CAUSES = {
    "no anchor matches": "the label assigner gives the object no foreground anchor",
    "box too far off": "of its foreground anchors, none has a box whose IoU with it is high enough",
    "score too low": "of those whose box is good, none scores the threshold for its class",
    "removed by NMS": "the best of these boxes overlaps a detection of its class with a higher score",
    "given to another object": "the best of these boxes is a detection, but another object has it",
    "over a limit": "the best of these boxes is not kept: there are more candidates than the detector keeps",
}
LABELS = ("background", "ignored", "foreground", "unknown")
_SAME_BOX, _SAME_SCORE = 0.9, 0.02  # IoU and score of equal boxes after rounding, such as to bfloat16


@dataclass(frozen=True)
class LostObject:
    """A missed object.

    Attributes:
        place: index of the object.
        num_foreground: number of anchors that the label assigner gives it.
        anchor_iou: highest IoU of any anchor with it.
        box_iou: highest IoU of a foreground anchor's predicted box with it; 0 without such anchors.
        score: highest score of a foreground anchor for its class; 0 without such anchors.
        cause: one of `CAUSES`.
    """

    place: int
    num_foreground: int
    anchor_iou: float
    box_iou: float
    score: float
    cause: str


@dataclass(frozen=True)
class FalseAnchor:
    """The anchor of a false detection.

    Attributes:
        place: index of the detection.
        kind: its type of error.
        label: the anchor's label in training, one of `LABELS`; "unknown" if no anchor predicts this detection.
        anchor_iou: highest IoU of the anchor with an object; NaN if it is unknown.
    """

    place: int
    kind: str
    label: str
    anchor_iou: float


@dataclass(frozen=True)
class Decoded:
    """Predicted boxes (R, 4) of the R anchors of an image, the anchors (R, 4), and their scores (R, K).

    Boxes and anchors are XYWH in pixels of the original image.
    """

    boxes: np.ndarray
    anchors: np.ndarray
    scores: np.ndarray


@torch.no_grad()
def decode(model: PluggableRetinaNet, dense: DenseImage) -> Decoded:
    """Boxes and scores of all anchors as the detector computes them, before threshold and NMS."""
    boxes = _original(model.box2box_transform.apply_deltas(dense.deltas, dense.anchors), dense)
    boxes = clip_boxes_to_image(boxes, (dense.entry["height"], dense.entry["width"]))
    scores = model.cls_loss.scores(dense.logits.to(model.device)).cpu().numpy()
    return Decoded(_xywh(boxes), _xywh(_original(dense.anchors, dense)), scores)


def _original(boxes: Tensor, dense: DenseImage) -> Tensor:
    return boxes / torch.tensor([*dense.scale, *dense.scale])


def _xywh(boxes: Tensor) -> np.ndarray:
    return box_convert(boxes, "xyxy", "xywh").double().numpy()


def lost_object(
    place: int, dense: DenseImage, decoded: Decoded, results: Results, score_thresh: float, nms_thresh: float
) -> LostObject:
    """Find the cause for which the object with index `place` in `results.objects` is missed."""
    box, label = results.objects.box[place : place + 1], results.objects.label[place]
    own = _foreground_of(box, label, dense)
    iou, scores = box_iou(decoded.boxes[own], box)[:, 0], decoded.scores[own, label]
    good = iou >= results.iou
    if not len(own):
        cause = "no anchor matches"
    elif not good.any():
        cause = "box too far off"
    elif scores[good].max() < score_thresh:
        cause = "score too low"
    else:
        best = own[good][scores[good].argmax()]
        cause = _lost_later(best, label, place, decoded, results, nms_thresh)
    of_anchor = float(box_iou(decoded.anchors, box).max())
    return LostObject(int(place), len(own), of_anchor, float(iou.max(initial=0)), float(scores.max(initial=0)), cause)


def _foreground_of(box: np.ndarray, label: int, dense: DenseImage) -> np.ndarray:
    """The foreground anchors of the object with this (1, 4) box and class."""
    truth = dense.ground_truth
    iou = box_iou(_xywh(_original(truth.gt_boxes.tensor, dense)), box)[:, 0]
    iou = np.where(truth.gt_classes.numpy() == label, iou, 0)
    if not iou.max(initial=0) > 0:
        return np.zeros(0, int)
    is_own = (dense.boxes == truth.gt_boxes.tensor[int(iou.argmax())]).all(1)
    return np.flatnonzero((is_own & (dense.labels == int(label))).numpy())


def _lost_later(anchor: int, label: int, place: int, decoded: Decoded, results: Results, nms_thresh: float) -> str:
    """Why an anchor whose box and score suffice is not the object's detection."""
    found = results.found
    own = (found.image == results.objects.image[place]) & (found.label == label)
    iou = box_iou(found.box[own], decoded.boxes[anchor : anchor + 1])[:, 0]
    score = decoded.scores[anchor, label]
    is_same = (iou > _SAME_BOX) & (np.abs(found.score[own] - score) < _SAME_SCORE)
    if is_same.any():
        return "given to another object"
    removed = (iou > nms_thresh) & (found.score[own] >= score - _SAME_SCORE)
    return "removed by NMS" if removed.any() else "over a limit"


def false_anchor(place: int, dense: DenseImage, decoded: Decoded, results: Results, errors: Errors) -> FalseAnchor:
    """Find the anchor of the false detection with index `place` in `results.found`, and the anchor's label."""
    found, kind = results.found, Kind(errors.kind[place]).name.capitalize()
    iou = box_iou(decoded.boxes, found.box[place : place + 1])[:, 0]
    gap = np.abs(decoded.scores[:, found.label[place]] - found.score[place])
    anchor = int((iou - gap).argmax())
    if iou[anchor] < _SAME_BOX or gap[anchor] > _SAME_SCORE:
        return FalseAnchor(int(place), kind, "unknown", float("nan"))
    label, background = int(dense.labels[anchor]), decoded.scores.shape[1]
    name = {-1: "ignored", background: "background"}.get(label, "foreground")
    objects = results.objects.box[results.objects.image == found.image[place]]
    return FalseAnchor(int(place), kind, name, float(box_iou(decoded.anchors[[anchor]], objects).max(initial=0)))
