"""What a detector predicts at every annotation of an image, and elsewhere in it.

D detections, T annotations, K classes. Boxes are XYXY in pixels of the original image.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from detectron2.structures import Boxes, pairwise_ioa, pairwise_iou
from torch import Tensor
from torchvision.ops import clip_boxes_to_image, nms

from ...evaluation.truth import boxes_of
from ...modeling.meta_arch import PluggableRetinaNet
from ..dense import DenseImage

LEAST_SCORE = 0.05  # Detectron2's default test_score_thresh; anchors that score less are left out
FAR, LOOSE, NEAR, TIGHT = 0.2, 0.3, 0.5, 0.6
"""IoU of a detection with an annotation. Below FAR it is of another object, from LOOSE possibly of this one, from NEAR
certainly; from TIGHT it also has the annotation's position."""
_MOST = 2000  # highest-scoring anchors of an image that are decoded


@dataclass(frozen=True)
class Evidence:
    """One image as the detector sees it.

    Attributes:
        image_id: of the json file.
        file_name: path of the image.
        boxes: (D, 4) detections after class-agnostic NMS, highest score first; none inside a crowd.
        classes: (D,) labels 0..K-1.
        scores: (D,) above LEAST_SCORE.
        annotations: T annotations of the json file that are not crowds.
        truth: (T, 4) their boxes.
        labels: (T,) their labels 0..K-1.
        overlaps: (D, T) IoU.
        seen: (T, K) highest score of each class among boxes before NMS with an IoU >= NEAR with the annotation;
            LEAST_SCORE if there is none.
        partner: (T,) index of the highest-scoring detection of the annotation's class with an IoU >= LOOSE that is not
            higher with another annotation; -1 if there is none.
        loose, tight: (T,) highest score of the annotation's class among boxes before NMS. For `loose` their IoU is
            >= LOOSE, < TIGHT, and not higher with another annotation; for `tight` it is >= TIGHT. LEAST_SCORE if there
            is none.
    """

    image_id: Any
    file_name: str
    boxes: np.ndarray
    classes: np.ndarray
    scores: np.ndarray
    annotations: list[dict[str, Any]]
    truth: np.ndarray
    labels: np.ndarray
    overlaps: np.ndarray
    seen: np.ndarray
    partner: np.ndarray
    loose: np.ndarray
    tight: np.ndarray


def read_evidence(
    model: PluggableRetinaNet, dense: DenseImage, annotations: Sequence[dict[str, Any]], labels: Mapping[Any, int]
) -> Evidence:
    """The evidence of one image and its annotations in the json file; `labels` are classes 0..K-1 by category id."""
    boxes, scores = _candidates(model, dense)
    objects = [a for a in annotations if not a.get("iscrowd")]
    truth, own = boxes_of(objects), torch.tensor([labels[a["category_id"]] for a in objects], dtype=torch.long)
    best, classes = scores.max(dim=1)
    kept = nms(boxes, best, model.test_nms_thresh)
    crowds = boxes_of([a for a in annotations if a.get("iscrowd")])
    kept = kept[~(pairwise_ioa(crowds, Boxes(boxes[kept])) >= NEAR).any(dim=0)]
    overlaps, around = pairwise_iou(Boxes(boxes[kept]), truth), pairwise_iou(truth, Boxes(boxes))
    nearest = around == around.amax(dim=0, keepdim=True) if len(truth) else around.bool()
    return Evidence(
        image_id=dense.entry["image_id"],
        file_name=dense.entry["file_name"],
        boxes=boxes[kept].numpy(),
        classes=classes[kept].numpy(),
        scores=best[kept].numpy(),
        annotations=objects,
        truth=truth.tensor.numpy(),
        labels=own.numpy(),
        overlaps=overlaps.numpy(),
        seen=_best_scores(around >= NEAR, scores).numpy(),
        partner=_partners(overlaps, classes[kept], own).numpy(),
        loose=_of_class(_best_scores(nearest & (around >= LOOSE) & (around < TIGHT), scores), own).numpy(),
        tight=_of_class(_best_scores(around >= TIGHT, scores), own).numpy(),
    )


def _candidates(model: PluggableRetinaNet, dense: DenseImage) -> tuple[Tensor, Tensor]:
    """Boxes (M, 4) and scores (M, K) of the best anchors above LEAST_SCORE."""
    scores = model.cls_loss.scores(dense.logits)
    best, places = scores.amax(dim=1).topk(min(_MOST, len(scores)))
    places = places[best > LEAST_SCORE]
    boxes = model.box2box_transform.apply_deltas(dense.deltas[places], dense.anchors[places])
    boxes, size = boxes / boxes.new_tensor(dense.scale * 2), (dense.entry["height"], dense.entry["width"])
    return clip_boxes_to_image(boxes, size), scores[places].clamp(min=LEAST_SCORE)


def _best_scores(overlap: Tensor, scores: Tensor) -> Tensor:
    """(T, K) highest of the scores (M, K) where `overlap` (T, M) is True, and at least LEAST_SCORE."""
    nothing = scores.new_full((1, scores.shape[1]), LEAST_SCORE)
    rows = [torch.cat([scores[own], nothing]).amax(dim=0) for own in overlap]
    return torch.stack(rows) if rows else nothing[:0]


def _of_class(scores: Tensor, labels: Tensor) -> Tensor:
    """(T,) scores at the labels (T,), from (T, K)."""
    return scores.gather(1, labels[:, None])[:, 0]


def _partners(overlaps: Tensor, classes: Tensor, labels: Tensor) -> Tensor:
    """(T,) indices of detections, see `Evidence.partner`; detections are sorted by score."""
    if not overlaps.numel():
        return torch.full_like(labels, -1)
    fits = (overlaps >= LOOSE) & (classes[:, None] == labels) & (overlaps == overlaps.amax(dim=1, keepdim=True))
    return torch.where(fits.any(dim=0), fits.int().argmax(dim=0), -1)
