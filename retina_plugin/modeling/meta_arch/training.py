"""The training pass of RetinaNet with interchangeable losses and label assignment.

N images, R anchors of all levels, of which P are foreground; K classes; C logits per anchor.
"""

import torch
from detectron2.modeling.meta_arch import RetinaNet
from detectron2.structures import Boxes, ImageList, Instances
from torch import Tensor

from ..assigners import AnchorTargets, LabelAssigner
from ..losses import BoxLoss, ClassificationLoss, DenseTargets
from .loss_normalizer import ForegroundAverage
from .wiring import check_gt_classes


class RetinaNetTraining(RetinaNet):
    """Detectron2's RetinaNet with another training pass. `PluggableRetinaNet` sets the parts.

    A training pass with gradients exchanges foreground counts between all processes, see `ForegroundAverage`. Without
    gradients it exchanges nothing.
    """

    cls_loss: ClassificationLoss
    cls_loss_weight: float
    box_loss: BoxLoss
    label_assigner: LabelAssigner
    foreground: ForegroundAverage

    def forward_training(
        self, images: ImageList, features: list[Tensor], predictions: list[list[Tensor]], gt_instances: list[Instances]
    ) -> dict[str, Tensor]:
        """Compute the losses. Overrides upstream so that a label assigner may weigh anchors."""
        pred_logits, pred_anchor_deltas = self._transpose_dense_predictions(predictions)
        anchors = self.anchor_generator(features)
        targets = self.assign_labels(anchors, gt_instances)
        gt_labels, gt_boxes = list(targets.labels), list(targets.boxes)
        weights = {} if targets.weights is None else {"weights": targets.weights}
        return self.losses(anchors, pred_logits, gt_labels, pred_anchor_deltas, gt_boxes, **weights)

    @torch.no_grad()
    def assign_labels(self, anchors: list[Boxes], gt_instances: list[Instances]) -> AnchorTargets:
        """Assign a label to every anchor. Boxes without area are left out.

        Upstream trains a class outside 0..K-1 as background; here it raises a ValueError. Upstream matches a box
        without area to every anchor that does not touch it.
        """
        check_gt_classes(gt_instances, self.num_classes)
        gt_instances = [x[x.gt_boxes.nonempty()] for x in gt_instances]
        return self.label_assigner(anchors, gt_instances, self.num_classes)

    def label_anchors(self, anchors: list[Boxes], gt_instances: list[Instances]) -> tuple[list[Tensor], list[Tensor]]:
        """Return labels (R,) and matched boxes (R, 4) of every image, as upstream; training uses `assign_labels`."""
        targets = self.assign_labels(anchors, gt_instances)
        return list(targets.labels), list(targets.boxes)

    def losses(
        self,
        anchors: list[Boxes],
        pred_logits: list[Tensor],
        gt_labels: list[Tensor],
        pred_anchor_deltas: list[Tensor],
        gt_boxes: list[Tensor],
        weights: Tensor | None = None,
    ) -> dict[str, Tensor]:
        """Compute `loss_cls` and `loss_box_reg`, scalars. Overrides upstream so that both losses are parts.

        Per level: anchors (Ri, 4), pred_logits (N, Ri, C) and pred_anchor_deltas (N, Ri, 4). Per image: gt_labels (R,)
        and gt_boxes (R, 4). The weights of the anchors are (N, R), or None.
        """
        labels, boxes = torch.stack(gt_labels), torch.stack(gt_boxes)
        pos_mask = (labels >= 0) & (labels != self.num_classes)
        anchor_boxes = Boxes.cat(anchors).tensor
        logits = torch.cat(pred_logits, dim=1).flatten(0, 1)
        targets = DenseTargets(labels.flatten(), None if weights is None else weights.flatten(), anchors=anchor_boxes)
        loss_cls = self.cls_loss_weight * self.cls_loss.dense_loss(logits, targets)
        loss_box_reg = self._box_loss(
            torch.cat(pred_anchor_deltas, dim=1)[pos_mask],
            anchor_boxes.expand_as(boxes)[pos_mask],
            boxes[pos_mask],
            None if weights is None else weights[pos_mask],
        )
        divisor = self.foreground(pos_mask).to(loss_cls.dtype)
        return {"loss_cls": loss_cls / divisor, "loss_box_reg": loss_box_reg / divisor}

    def _box_loss(self, deltas: Tensor, anchors: Tensor, gt_boxes: Tensor, weights: Tensor | None) -> Tensor:
        """Sum over the P foreground anchors, weighted if `weights` (P,) are given."""
        arguments = deltas, anchors, gt_boxes, self.box2box_transform
        if weights is None:
            return self.box_loss(*arguments)
        return (weights[:, None] * self.box_loss.elementwise(*arguments)).sum()
