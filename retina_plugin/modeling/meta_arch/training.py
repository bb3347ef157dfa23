"""The training pass of RetinaNet with interchangeable losses and label assignment.

N images; R anchors per image, over all levels; P foreground anchors in the batch; K classes; C logits per anchor.
"""

from typing import Any

import torch
from detectron2.modeling.meta_arch import RetinaNet
from detectron2.structures import Boxes, ImageList, Instances
from torch import Tensor

from ..assigners import AnchorTargets, LabelAssigner
from ..head import start_at_first_level
from ..losses import BoxLoss, ClassificationLoss, DenseTargets
from ..optimization.box_tower import box_layers, deltas_where
from .loss_normalizer import ForegroundAverage
from .training_pass import Observer, TrainingPass
from .wiring import check_annotated, check_gt_classes


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
    selective_boxes: bool = False
    observer: Observer | None = None
    """Called in every training pass while it is set."""

    def forward(self, batched_inputs: list[dict[str, Any]]) -> Any:
        """As Detectron2's, but with `selective_boxes` training runs the box tower only around foreground anchors.

        Losses and gradients are then the same up to rounding. The tower still runs everywhere if a subclass overrides
        `forward_training` or `losses`, or if `box_layers` refuses the head, for example because of a norm.

        Raises:
            ValueError: in training mode for an image without "instances".
        """
        if self.training:
            check_annotated(batched_inputs)
        own = any(getattr(type(self), x) is not getattr(RetinaNetTraining, x) for x in ("forward_training", "losses"))
        layers = box_layers(self.head) if self.training and self.selective_boxes and not own else None
        if layers is None:
            return super().forward(batched_inputs)
        images = self.preprocess_image(batched_inputs)
        by_name = self.backbone(images.tensor)
        features = [by_name[name] for name in self.head_in_features]
        gt_instances = [inputs["instances"].to(self.device) for inputs in batched_inputs]
        anchors = self.anchor_generator(features)
        targets = self.training_targets(anchors, gt_instances)
        start_at_first_level(self.head)
        logits = [self.head.cls_score(self.head.cls_subnet(feature)) for feature in features]
        pred_logits, _ = self._transpose_dense_predictions([logits, []])
        deltas = deltas_where(layers, features, [len(x) for x in anchors], self._foreground(targets.labels))
        return self._losses(anchors, pred_logits, targets, deltas)

    def forward_training(
        self, images: ImageList, features: list[Tensor], predictions: list[list[Tensor]], gt_instances: list[Instances]
    ) -> dict[str, Tensor]:
        """Compute the losses. Overrides upstream so that a label assigner can weigh anchors."""
        pred_logits, pred_anchor_deltas = self._transpose_dense_predictions(predictions)
        anchors = self.anchor_generator(features)
        targets = self.training_targets(anchors, gt_instances)
        gt_labels, gt_boxes = list(targets.labels), list(targets.boxes)
        weights = {} if targets.weights is None else {"weights": targets.weights}
        return self.losses(anchors, pred_logits, gt_labels, pred_anchor_deltas, gt_boxes, **weights)

    @torch.no_grad()
    def assign_labels(self, anchors: list[Boxes], gt_instances: list[Instances]) -> AnchorTargets:
        """Assign a label to every anchor. Boxes without area are left out.

        ValueError for a class outside 0..K-1, which upstream trains as background. A box without area has IoU 0 with
        every anchor; as a low-quality match it would make all anchors foreground upstream.
        """
        check_gt_classes(gt_instances, self.num_classes)
        gt_instances = [x[x.gt_boxes.nonempty()] for x in gt_instances]
        return self.label_assigner(anchors, gt_instances, self.num_classes)

    def training_targets(self, anchors: list[Boxes], gt_instances: list[Instances]) -> AnchorTargets:
        """The targets of training: those of `label_anchors` if a subclass overrides it, else of `assign_labels`."""
        if type(self).label_anchors is RetinaNetTraining.label_anchors:
            return self.assign_labels(anchors, gt_instances)
        labels, boxes = self.label_anchors(anchors, gt_instances)
        return AnchorTargets(torch.stack(labels), torch.stack(boxes), None)

    def label_anchors(self, anchors: list[Boxes], gt_instances: list[Instances]) -> tuple[list[Tensor], list[Tensor]]:
        """Return labels (R,) and matched boxes (R, 4) of every image, as upstream. A subclass may override it."""
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
        """Compute `loss_cls` and `loss_box_reg`, scalars. Overrides upstream to use `cls_loss` and `box_loss`.

        Per level: anchors (Ri, 4), pred_logits (N, Ri, C) and pred_anchor_deltas (N, Ri, 4). Per image: gt_labels (R,)
        and gt_boxes (R, 4). The weights of the anchors are (N, R), or None.
        """
        targets = AnchorTargets(torch.stack(gt_labels), torch.stack(gt_boxes), weights)
        deltas = torch.cat(pred_anchor_deltas, dim=1)[self._foreground(targets.labels)]
        return self._losses(anchors, pred_logits, targets, deltas)

    def _losses(
        self, anchors: list[Boxes], pred_logits: list[Tensor], targets: AnchorTargets, foreground_deltas: Tensor
    ) -> dict[str, Tensor]:
        """The losses; `foreground_deltas` (P, 4) are those of foreground anchors, image by image."""
        labels, boxes, weights = targets.labels, targets.boxes, targets.weights
        pos_mask = self._foreground(labels)
        anchor_boxes = Boxes.cat(anchors).tensor
        logits = torch.cat(pred_logits, dim=1).flatten(0, 1)
        dense = DenseTargets(labels.flatten(), None if weights is None else weights.flatten(), anchors=anchor_boxes)
        if self.observer is not None:
            sizes = [len(x) for x in anchors]
            self.observer(TrainingPass(logits.detach(), dense, boxes.flatten(0, 1), sizes))
        loss_cls = self.cls_loss_weight * self.cls_loss.dense_loss(logits, dense)
        anchors_and_boxes = anchor_boxes.expand_as(boxes)[pos_mask], boxes[pos_mask]
        arguments = foreground_deltas, *anchors_and_boxes, self.box2box_transform
        if weights is None:
            loss_box_reg = self.box_loss(*arguments)
        else:
            loss_box_reg = (weights[pos_mask][:, None] * self.box_loss.elementwise(*arguments)).sum()
        divisor = self.foreground(pos_mask).to(loss_cls.dtype)
        return {"loss_cls": loss_cls / divisor, "loss_box_reg": loss_box_reg / divisor}

    def _foreground(self, labels: Tensor) -> Tensor:
        return (labels >= 0) & (labels != self.num_classes)
