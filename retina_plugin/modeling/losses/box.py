"""Box losses on foreground anchors only. Shapes as in `base.py`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from detectron2.config import CfgNode, configurable
from detectron2.layers import ciou_loss, diou_loss
from detectron2.modeling.box_regression import Box2BoxTransform
from fvcore.nn import giou_loss, smooth_l1_loss
from torch import Tensor

from ...registry import BOX_LOSS_REGISTRY
from .base import BoxLoss

__all__ = ["CIoULoss", "DIoULoss", "GIoULoss", "SmoothL1Loss"]


@BOX_LOSS_REGISTRY.register()
class SmoothL1Loss(BoxLoss):
    """Smooth L1 between predicted and wanted deltas; `beta` 0 is L1, which is what Detectron2's configs use.

    Source: "Fast R-CNN", equation 3, with the corner at `beta`.
    """

    @configurable
    def __init__(self, beta: float = 0.0) -> None:
        """Corner between square and line, in the units of the deltas.

        Raises:
            ValueError: if `beta` is negative.
        """
        super().__init__()
        if beta < 0:
            raise ValueError(f"model.box_loss.beta must be 0 or more, got {beta}")
        self.beta = beta

    @classmethod
    def from_config(cls, cfg: CfgNode) -> dict[str, Any]:
        """Detectron2's own key."""
        return {"beta": cfg.MODEL.RETINANET.SMOOTH_L1_LOSS_BETA}

    def extra_repr(self) -> str:
        """The settings, for `print(model)`."""
        return f"beta={self.beta}"

    def forward(
        self,
        pred_anchor_deltas: Tensor,
        anchors: Tensor,
        gt_boxes: Tensor,
        box2box_transform: Box2BoxTransform,
    ) -> Tensor:
        gt_anchor_deltas = box2box_transform.get_deltas(anchors, gt_boxes)
        return smooth_l1_loss(pred_anchor_deltas, gt_anchor_deltas, self.beta, reduction="sum")


class _IoULoss(BoxLoss):
    """A loss between decoded boxes."""

    loss: Callable[..., Tensor]

    def forward(
        self,
        pred_anchor_deltas: Tensor,
        anchors: Tensor,
        gt_boxes: Tensor,
        box2box_transform: Box2BoxTransform,
    ) -> Tensor:
        pred_boxes = box2box_transform.apply_deltas(pred_anchor_deltas, anchors)
        return self.loss(pred_boxes, gt_boxes, reduction="sum")


@BOX_LOSS_REGISTRY.register()
class GIoULoss(_IoULoss):
    """1 - GIoU. Source: "Generalized Intersection over Union", algorithm 1."""

    loss = staticmethod(giou_loss)


@BOX_LOSS_REGISTRY.register()
class DIoULoss(_IoULoss):
    """1 - DIoU. Source: "Distance-IoU Loss", equation 7."""

    loss = staticmethod(diou_loss)


@BOX_LOSS_REGISTRY.register()
class CIoULoss(_IoULoss):
    """1 - CIoU. Source: "Distance-IoU Loss", equation 10."""

    loss = staticmethod(ciou_loss)
