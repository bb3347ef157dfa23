"""Detectron2's RetinaNet with its closed parts opened. N images, R anchors of all levels, K classes, C logits."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from detectron2.config import CfgNode, configurable
from detectron2.modeling import META_ARCH_REGISTRY, Backbone
from detectron2.modeling.box_regression import Box2BoxTransform
from detectron2.modeling.matcher import Matcher
from detectron2.modeling.meta_arch import RetinaNet
from detectron2.structures import Boxes, ImageList, Instances
from torch import Tensor, nn

from ..anchor_generator import num_cell_anchors
from ..head import PluggableRetinaNetHead
from ..losses import (
    BoxLoss,
    ClassificationLoss,
    DenseTargets,
    SmoothL1Loss,
    build_box_loss,
    build_cls_loss,
)
from .loss_normalizer import ForegroundAverage
from .wiring import check_gt_classes, check_wiring

__all__ = ["PluggableRetinaNet"]


@META_ARCH_REGISTRY.register()
class PluggableRetinaNet(RetinaNet):
    """RetinaNet whose classification and box losses are parts of the config.

    It loads the weights of Detectron2's RetinaNet. With sigmoid focal loss and smooth L1 its detections are then the
    same bit for bit, and its losses and gradients to rounding.
    Source: "Focal Loss for Dense Object Detection".
    """

    @configurable
    def __init__(
        self,
        *,
        backbone: Backbone,
        head: nn.Module,
        anchor_generator: nn.Module,
        num_classes: int,
        cls_loss: ClassificationLoss,
        box_loss: BoxLoss | None = None,
        cls_loss_weight: float = 1.0,
        head_in_features: Sequence[str],
        box2box_transform: Box2BoxTransform,
        anchor_matcher: Matcher,
        pixel_mean: Sequence[float],
        pixel_std: Sequence[float],
        input_format: str = "BGR",
        test_score_thresh: float = 0.05,
        test_topk_candidates: int = 1000,
        test_nms_thresh: float = 0.5,
        max_detections_per_image: int = 100,
    ) -> None:
        """Wire the parts; `box_loss` defaults to L1, and the classification loss is taken times `cls_loss_weight`.

        Everything else is as in Detectron2's RetinaNet.

        Raises:
            ValueError: if parts do not fit together, with both values and the key to edit.
        """
        super().__init__(
            backbone=backbone,
            head=head,
            head_in_features=list(head_in_features),
            anchor_generator=anchor_generator,
            box2box_transform=box2box_transform,
            anchor_matcher=anchor_matcher,
            num_classes=num_classes,
            test_score_thresh=test_score_thresh,
            test_topk_candidates=test_topk_candidates,
            test_nms_thresh=test_nms_thresh,
            max_detections_per_image=max_detections_per_image,
            pixel_mean=list(pixel_mean),
            pixel_std=list(pixel_std),
            input_format=input_format,
        )
        self.cls_loss, self.cls_loss_weight = cls_loss, cls_loss_weight
        self.box_loss = SmoothL1Loss() if box_loss is None else box_loss
        # Upstream keeps this as a Python float that no checkpoint saves. float64 holds the same values.
        self.register_buffer("loss_normalizer", torch.tensor(100.0, dtype=torch.float64))
        self.foreground = ForegroundAverage()
        check_wiring(self)

    @classmethod
    def from_config(cls, cfg: CfgNode) -> dict[str, Any]:
        """Parts from a yacs config with the keys of `add_retina_plugin_config`."""
        upstream = super().from_config(cfg)
        parts = {k: v for k, v in upstream.items() if k not in _CLOSED_UPSTREAM}
        node, cls_loss = cfg.MODEL.RETINANET, build_cls_loss(cfg)
        shapes = upstream["backbone"].output_shape()
        input_shape = [shapes[name] for name in node.IN_FEATURES]
        head = PluggableRetinaNetHead(
            input_shape=input_shape,
            num_classes=node.NUM_CLASSES,
            num_anchors=num_cell_anchors(upstream["anchor_generator"]),
            cls_loss=cls_loss,
            conv_dims=[input_shape[0].channels] * node.NUM_CONVS,
            norm=node.NORM,
            prior_prob=node.PRIOR_PROB,
        )
        return parts | {"head": head, "cls_loss": cls_loss, "box_loss": build_box_loss(cfg)}

    def preprocess_image(self, batched_inputs: list[dict[str, Any]]) -> ImageList:
        """Normalized images, padded alike. Opens upstream's padding to the largest image of this forward pass.

        Padding is background that counts in the loss: the parts of one batch have to be padded to one size, which
        inputs may give as "padded_size" (H, W).
        """
        images = super().preprocess_image(batched_inputs)
        padded_size = batched_inputs[0].get("padded_size")
        return images if padded_size is None else self._pad(images, padded_size)

    def _pad(self, images: ImageList, padded_size: tuple[int, int]) -> ImageList:
        divisor = max(self.backbone.size_divisibility, 1)
        height, width = (-(-size // divisor) * divisor for size in padded_size)
        now = images.tensor.shape
        margin = (0, max(width - now[-1], 0), 0, max(height - now[-2], 0))
        return ImageList(nn.functional.pad(images.tensor, margin), images.image_sizes)

    def _transpose_dense_predictions(
        self, predictions: list[list[Tensor]], dims_per_anchor: list[int]
    ) -> list[list[Tensor]]:
        """Opens upstream's fixed K logits per anchor."""
        num_logits = self.cls_loss.num_logits(self.num_classes)
        return super()._transpose_dense_predictions(predictions, [num_logits, 4])

    @torch.no_grad()
    def label_anchors(
        self, anchors: list[Boxes], gt_instances: list[Instances]
    ) -> tuple[list[Tensor], list[Tensor]]:
        """Labels (R,) and matched boxes (R, 4) of every image; -1 is ignored, K is background.

        Opens upstream's silence: a class outside 0..K-1 would train as background, and a box without area would be
        matched with every anchor that it does not touch, so boxes without area are left out.

        Raises:
            ValueError: for a class outside 0..K-1.
        """
        check_gt_classes(gt_instances, self.num_classes)
        gt_instances = [x[x.gt_boxes.nonempty()] for x in gt_instances]
        return super().label_anchors(anchors, gt_instances)

    def losses(
        self,
        anchors: list[Boxes],
        pred_logits: list[Tensor],
        gt_labels: list[Tensor],
        pred_anchor_deltas: list[Tensor],
        gt_boxes: list[Tensor],
    ) -> dict[str, Tensor]:
        """`loss_cls` and `loss_box_reg`, scalars. Opens upstream's fixed losses.

        Args:
            anchors: of every level.
            pred_logits: (N, Ri, C) per level.
            gt_labels: (R,) per image.
            pred_anchor_deltas: (N, Ri, 4) per level.
            gt_boxes: (R, 4) per image.
        """
        labels, boxes = torch.stack(gt_labels), torch.stack(gt_boxes)
        pos_mask = (labels >= 0) & (labels != self.num_classes)
        anchor_boxes = Boxes.cat(anchors).tensor
        targets = DenseTargets(labels.flatten(), anchors=anchor_boxes)
        logits = torch.cat(pred_logits, dim=1).flatten(0, 1)
        loss_cls = self.cls_loss_weight * self.cls_loss.dense_loss(logits, targets)
        loss_box_reg = self.box_loss(
            torch.cat(pred_anchor_deltas, dim=1)[pos_mask],
            anchor_boxes.expand_as(boxes)[pos_mask],
            boxes[pos_mask],
            self.box2box_transform,
        )
        divisor = self.foreground.divisor(self.loss_normalizer, pos_mask).to(loss_cls.dtype)
        return {"loss_cls": loss_cls / divisor, "loss_box_reg": loss_box_reg / divisor}

    def forward_inference(
        self, images: ImageList, features: list[Tensor], predictions: list[list[Tensor]]
    ) -> list[Instances]:
        """Detections of every image. Opens upstream's fixed sigmoid."""
        pred_logits, pred_anchor_deltas = self._transpose_dense_predictions(predictions, [])
        anchors = self.anchor_generator(features)
        return [
            self.inference_single_image(
                anchors,
                [self.cls_loss.scores(logits[i]) for logits in pred_logits],
                [deltas[i] for deltas in pred_anchor_deltas],
                image_size,
            )
            for i, image_size in enumerate(images.image_sizes)
        ]


_CLOSED_UPSTREAM = {
    "head",
    "focal_loss_alpha",
    "focal_loss_gamma",
    "smooth_l1_beta",
    "box_reg_loss_type",
    "vis_period",
}
