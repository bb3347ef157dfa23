"""The keys of this package in Detectron2's yacs configs."""

import inspect

from detectron2.config import CfgNode

from ..registry import CLS_LOSS_REGISTRY


def add_retina_plugin_config(cfg: CfgNode) -> None:
    """Add the keys of this package to a yacs config, in Detectron2's own sections."""
    node = cfg.MODEL.RETINANET
    node.CLS_LOSS = "SigmoidFocalLoss"  # a name in CLS_LOSS_REGISTRY; focal loss reads FOCAL_LOSS_*
    node.CE_LOSS_ALPHA = -1.0  # weight of positives in SigmoidCrossEntropyLoss; negative for no weights
    # Arguments of the loss, such as CLS_LOSS_ARGS.epsilon -1.0 for PolyFocalLoss on a command line, or
    # CLS_LOSS_ARGS: {alpha: [.2, .3]} in a file. None stands for the loss's own default.
    node.CLS_LOSS_ARGS = CfgNode(dict.fromkeys(_loss_arguments()), new_allowed=True)
    cfg.MODEL.ANCHOR_GENERATOR.OCTAVE_BASE_SCALE = 4.0
    cfg.MODEL.ANCHOR_GENERATOR.SCALES_PER_OCTAVE = 3
    cfg.MODEL.ANCHOR_GENERATOR.NUM_OCTAVES = 1
    cfg.MODEL.FPN.TOP_BLOCK_IN_FEATURE = "res5"  # "p5" takes P6 from P5
    cfg.MODEL.FPN.NUM_REPEATS = 3  # of BiFPN
    cfg.MODEL.FPN.BIFPN_FUSE_TYPE = "avg"  # or "sum"; BiFPN does not read Detectron2's FUSE_TYPE
    cfg.MODEL.TORCHVISION = CfgNode()
    cfg.MODEL.TORCHVISION.NAME = "mobilenet_v2"
    cfg.MODEL.TORCHVISION.WEIGHTS = "IMAGENET1K_V1"  # "" for random weights
    cfg.MODEL.TORCHVISION.NORM = "FrozenBN"
    cfg.MODEL.TORCHVISION.FREEZE_AT = 0


def require_plugin_keys(cfg: CfgNode) -> None:
    """Raise a ValueError unless a yacs config has the keys of this package, naming the function that adds them."""
    if "CLS_LOSS" not in cfg.MODEL.RETINANET:
        raise ValueError(
            "the config has no MODEL.RETINANET.CLS_LOSS: call retina_plugin.add_retina_plugin_config(cfg) right after "
            "get_cfg(), before merging files"
        )


def _loss_arguments() -> list[str]:
    """Arguments of all registered losses: on a command line yacs accepts only keys that are already there."""
    parameters = [p for _, loss in CLS_LOSS_REGISTRY for p in inspect.signature(loss).parameters.values()]
    return sorted({p.name for p in parameters if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)})
