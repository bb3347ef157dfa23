"""Box losses on foreground anchors. Shapes: P foreground anchors."""

import math
from collections.abc import Callable
from numbers import Real
from typing import Any

from detectron2.config import CfgNode, configurable
from detectron2.layers import ciou_loss, diou_loss
from detectron2.modeling.box_regression import Box2BoxTransform
from fvcore.nn import giou_loss, smooth_l1_loss
from torch import Tensor, nn

from ...registry import BOX_LOSS_REGISTRY


class BoxLoss(nn.Module):
    """The interface of box losses. A subclass implements `elementwise`."""

    @classmethod
    def from_config(cls, cfg: CfgNode) -> dict[str, Any]:
        """Arguments of the constructor from a yacs config: none by default."""
        return {}

    def elementwise(
        self, pred_anchor_deltas: Tensor, anchors: Tensor, gt_boxes: Tensor, box2box_transform: Box2BoxTransform
    ) -> Tensor:
        """The loss (P, D) of every anchor, in D = 4 terms if it is a sum over the deltas, otherwise D = 1.

        `box2box_transform` converts between deltas (P, 4) and boxes. `anchors` and their matched `gt_boxes` are (P, 4),
        absolute XYXY in pixels.

        Raises:
            NotImplementedError: if a subclass implements `forward` alone.
        """
        raise NotImplementedError(
            f"model.box_loss={type(self).__name__} gives only a sum, but model.label_assigner weighs anchors: "
            "implement its method `elementwise`"
        )

    def forward(self, *args: Any) -> Tensor:
        """The loss summed over anchors, a scalar. Arguments as in `elementwise`."""
        return self.elementwise(*args).sum()


@BOX_LOSS_REGISTRY.register()
class SmoothL1Loss(BoxLoss):
    """Smooth L1 loss between predicted and ground-truth deltas; `beta` 0 is L1, as in Detectron2's RetinaNet configs.

    Source: "Fast R-CNN", equation 3, with the transition at `beta`.
    """

    @configurable
    def __init__(self, beta: float = 0.0) -> None:
        """Set `beta`, the difference of deltas at which the square changes into a line; ValueError below 0."""
        super().__init__()
        if not isinstance(beta, Real) or not 0 <= beta < math.inf:
            raise ValueError(f"model.box_loss.beta must be a finite number, 0 or more, got {beta}")
        self.beta = beta

    @classmethod
    def from_config(cls, cfg: CfgNode) -> dict[str, Any]:
        """`MODEL.RETINANET.SMOOTH_L1_LOSS_BETA`, as in Detectron2."""
        return {"beta": cfg.MODEL.RETINANET.SMOOTH_L1_LOSS_BETA}

    def extra_repr(self) -> str:
        return f"beta={self.beta}"

    def elementwise(
        self, pred_anchor_deltas: Tensor, anchors: Tensor, gt_boxes: Tensor, box2box_transform: Box2BoxTransform
    ) -> Tensor:
        """Smooth L1 of every delta (P, 4)."""
        gt_anchor_deltas = box2box_transform.get_deltas(anchors, gt_boxes)
        return smooth_l1_loss(pred_anchor_deltas, gt_anchor_deltas, self.beta)


class _IoULoss(BoxLoss):
    """A loss between predicted boxes, decoded from their deltas, and ground-truth boxes."""

    loss: Callable[..., Tensor]

    def elementwise(
        self, pred_anchor_deltas: Tensor, anchors: Tensor, gt_boxes: Tensor, box2box_transform: Box2BoxTransform
    ) -> Tensor:
        """The loss of every box (P, 1); NaN for a predicted box that is not finite, for which upstream raises."""
        pred_boxes = box2box_transform.apply_deltas(pred_anchor_deltas, anchors)
        is_finite = pred_boxes.isfinite().all(dim=1, keepdim=True)
        loss = self.loss(pred_boxes.where(is_finite, 0), gt_boxes)[:, None]
        return loss.masked_fill(~is_finite, math.nan)


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


UPSTREAM_BOX_LOSSES = {"smooth_l1": SmoothL1Loss, "giou": GIoULoss, "diou": DIoULoss, "ciou": CIoULoss}
"""By Detectron2's names."""


def build_box_loss(cfg: CfgNode) -> BoxLoss:
    """The box loss that `MODEL.RETINANET.BBOX_REG_LOSS_TYPE` names, as Detectron2 or as in the registry."""
    name = cfg.MODEL.RETINANET.BBOX_REG_LOSS_TYPE
    loss = UPSTREAM_BOX_LOSSES.get(name) or BOX_LOSS_REGISTRY.get(name)
    return loss(**loss.from_config(cfg))
