"""The keys of this package in Detectron2's yacs configs."""

from __future__ import annotations

from detectron2.config import CfgNode

__all__ = ["add_retina_plugin_config"]


def add_retina_plugin_config(cfg: CfgNode) -> None:
    """Add the keys of this package to a yacs config, below Detectron2's own sections."""
    node = cfg.MODEL.RETINANET
    node.CLS_LOSS = "SigmoidFocalLoss"  # a name of CLS_LOSS_REGISTRY; focal loss has FOCAL_LOSS_*
    node.CE_LOSS_ALPHA = -1.0  # weight of positives of SigmoidCrossEntropyLoss; negative for none
    # any other argument of the loss, such as {"epsilon": -1.0} for PolyFocalLoss or {"alpha": [.2, .3]} per class
    node.CLS_LOSS_ARGS = CfgNode(new_allowed=True)
    cfg.MODEL.ANCHOR_GENERATOR.OCTAVE_BASE_SCALE = 4.0
    cfg.MODEL.ANCHOR_GENERATOR.SCALES_PER_OCTAVE = 3
    cfg.MODEL.ANCHOR_GENERATOR.NUM_OCTAVES = 1
    cfg.MODEL.FPN.TOP_BLOCK_IN_FEATURE = "res5"  # "p5" takes P6 from P5
    cfg.MODEL.FPN.NUM_REPEATS = 3  # of BiFPN
    cfg.MODEL.TORCHVISION = CfgNode()
    cfg.MODEL.TORCHVISION.NAME = "mobilenet_v2"
    cfg.MODEL.TORCHVISION.WEIGHTS = "IMAGENET1K_V1"  # "" for random ones
    cfg.MODEL.TORCHVISION.NORM = "FrozenBN"
    cfg.MODEL.TORCHVISION.FREEZE_AT = 0
