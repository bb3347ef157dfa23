"""Losses from a yacs config."""

from detectron2.config import CfgNode

from ...registry import BOX_LOSS_REGISTRY, CLS_LOSS_REGISTRY
from .base import ClassificationLoss
from .box import BoxLoss

# Detectron2's names in BBOX_REG_LOSS_TYPE; the names of the registry work as well.
_UPSTREAM_BOX_LOSSES = {
    "smooth_l1": "SmoothL1Loss",
    "giou": "GIoULoss",
    "diou": "DIoULoss",
    "ciou": "CIoULoss",
}


def build_cls_loss(cfg: CfgNode) -> ClassificationLoss:
    """The classification loss named by `MODEL.RETINANET.CLS_LOSS`."""
    loss = CLS_LOSS_REGISTRY.get(cfg.MODEL.RETINANET.CLS_LOSS)
    return loss(**loss.from_config(cfg))


def build_box_loss(cfg: CfgNode) -> BoxLoss:
    """The box loss named by `MODEL.RETINANET.BBOX_REG_LOSS_TYPE`."""
    name = cfg.MODEL.RETINANET.BBOX_REG_LOSS_TYPE
    loss = BOX_LOSS_REGISTRY.get(_UPSTREAM_BOX_LOSSES.get(name, name))
    return loss(**loss.from_config(cfg))
