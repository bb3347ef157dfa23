"""RetinaNet's own assignment: thresholds on the IoU between anchors and ground truth."""

import torch
from detectron2.modeling.matcher import Matcher
from detectron2.structures import Boxes, Instances, pairwise_iou
from torch import Tensor

from .base import AnchorTargets, LabelAssigner
from .sparse import AnchorBlocks, match_sparsely


class MatcherAssigner(LabelAssigner):
    """Labels anchors with a Detectron2 `Matcher`; the result equals that of `RetinaNet.label_anchors`.

    Labels, and the boxes of foreground anchors, are equal bit for bit. On a CPU, most pairs of boxes and anchors are
    ruled out before their IoU is computed. A box that overlaps no anchor, as there may be beside anchors smaller than
    their stride, is left out: upstream takes every anchor for its best one, and labels all of them as foreground.

    Source: "Focal Loss for Dense Object Detection", section 4, "Anchors".
    """

    def __init__(self, anchor_matcher: Matcher) -> None:
        """`anchor_matcher` maps an IoU matrix (objects, anchors) to matches and to labels -1, 0 or 1."""
        super().__init__()
        self.anchor_matcher = anchor_matcher

    def forward(self, anchors: list[Boxes], gt_instances: list[Instances], num_classes: int) -> AnchorTargets:
        """Assign labels (N, R) and boxes (N, R, 4), without weights; background everywhere without objects."""
        all_anchors = Boxes.cat(anchors)
        is_sparse = type(self.anchor_matcher) is Matcher and all_anchors.device.type == "cpu"
        blocks = AnchorBlocks(all_anchors.tensor) if is_sparse else None
        targets = [self._label_image(all_anchors, blocks, x, num_classes) for x in gt_instances]
        labels, boxes = zip(*targets, strict=True)
        return AnchorTargets(torch.stack(labels), torch.stack(boxes))

    def _label_image(
        self, anchors: Boxes, blocks: AnchorBlocks | None, instances: Instances, num_classes: int
    ) -> tuple[Tensor, Tensor]:
        """Labels (R,) and boxes (R, 4) of the anchors in an image; `blocks` are the anchors for `match_sparsely`."""
        boxes = instances.gt_boxes
        if len(boxes) == 0:
            labels = anchors.tensor.new_full((len(anchors),), num_classes, dtype=torch.int64)
            return labels, torch.zeros_like(anchors.tensor)
        if blocks is None:
            matches, match_labels = self.anchor_matcher(pairwise_iou(boxes, anchors))
        else:
            matches, match_labels = match_sparsely(self.anchor_matcher, boxes.tensor, blocks)
        if (match_labels == 1).all():
            overlaps = pairwise_iou(boxes, anchors).amax(dim=1) > 0
            if not overlaps.all():
                return self._label_image(anchors, blocks, instances[overlaps], num_classes)
        labels = instances.gt_classes[matches]
        labels[match_labels == 0] = num_classes
        labels[match_labels == -1] = -1
        return labels, boxes.tensor[matches]


def choose_assigner(anchor_matcher: Matcher | None, label_assigner: LabelAssigner | None) -> LabelAssigner:
    """`label_assigner`, or the assigner of Detectron2's `anchor_matcher`; ValueError if both or neither are given."""
    if not isinstance(label_assigner, LabelAssigner | None):
        raise ValueError(
            f"model.label_assigner is of class {type(label_assigner).__name__}, not a LabelAssigner: a matcher belongs "
            "into model.anchor_matcher"
        )
    if label_assigner is None and anchor_matcher is None:
        raise ValueError("model.anchor_matcher and model.label_assigner are both None: set one of them")
    if label_assigner is None:
        return MatcherAssigner(anchor_matcher)
    if anchor_matcher not in (None, getattr(label_assigner, "anchor_matcher", None)):
        raise ValueError(
            f"model.anchor_matcher={type(anchor_matcher).__name__} and model.label_assigner="
            f"{type(label_assigner).__name__} are both set: set model.anchor_matcher=null"
        )
    return label_assigner
