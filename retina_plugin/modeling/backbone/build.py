"""Backbones for yacs configs, named by `MODEL.BACKBONE.NAME`: every pyramid on a ResNet or a torchvision net."""

from collections.abc import Callable
from typing import Any

from detectron2.config import CfgNode
from detectron2.layers import ShapeSpec
from detectron2.modeling import BACKBONE_REGISTRY, FPN, Backbone
from detectron2.modeling.backbone import build_resnet_backbone
from detectron2.modeling.backbone.fpn import LastLevelP6P7

from ...config.yacs import require_plugin_keys
from .bifpn import BiFPN
from .pafpn import PAFPN
from .torchvision_backbone import TorchvisionBackbone


def _build_torchvision(cfg: CfgNode, input_shape: ShapeSpec) -> Backbone:
    node = cfg.MODEL.TORCHVISION
    return TorchvisionBackbone(
        name=node.NAME,
        weights=node.WEIGHTS or None,
        out_features=cfg.MODEL.FPN.IN_FEATURES,
        norm=node.NORM,
        freeze_at=node.FREEZE_AT,
    )


def _pyramid_arguments(cfg: CfgNode, bottom_up: Backbone) -> dict[str, Any]:
    node = cfg.MODEL.FPN
    in_feature = node.TOP_BLOCK_IN_FEATURE
    is_bottom_up = in_feature in bottom_up.output_shape()
    in_channels = bottom_up.output_shape()[in_feature].channels if is_bottom_up else node.OUT_CHANNELS
    return {
        "bottom_up": bottom_up,
        "in_features": node.IN_FEATURES,
        "out_channels": node.OUT_CHANNELS,
        "norm": node.NORM,
        "top_block": LastLevelP6P7(in_channels, node.OUT_CHANNELS, in_feature),
    }


def check_top_block_key(cfg: CfgNode, backbone: Backbone) -> None:
    """Raise a ValueError if `MODEL.FPN.TOP_BLOCK_IN_FEATURE` is set, but Detectron2's or another builder ignores it."""
    wanted = cfg.MODEL.FPN.TOP_BLOCK_IN_FEATURE
    built = getattr(getattr(backbone, "top_block", None), "in_feature", None)
    if built is not None and wanted not in (built, "res5"):  # nobody may have chosen the default
        raise ValueError(
            f"MODEL.BACKBONE.NAME={cfg.MODEL.BACKBONE.NAME} takes P6 from {built!r} and does not read "
            f"MODEL.FPN.TOP_BLOCK_IN_FEATURE={wanted!r}: delete this key, or choose a builder of this package, such as "
            "build_retinanet_torchvision_fpn_backbone"
        )


def _register(name: str, bottom_up: Callable[..., Backbone], pyramid: type[FPN]) -> None:
    def build(cfg: CfgNode, input_shape: ShapeSpec) -> Backbone:
        require_plugin_keys(cfg)
        arguments = _pyramid_arguments(cfg, bottom_up(cfg, input_shape))
        if pyramid is BiFPN:
            arguments["num_repeats"] = cfg.MODEL.FPN.NUM_REPEATS
            arguments["fuse_type"] = cfg.MODEL.FPN.BIFPN_FUSE_TYPE
        else:
            arguments["fuse_type"] = cfg.MODEL.FPN.FUSE_TYPE
        return pyramid(**arguments)

    build.__name__ = name
    BACKBONE_REGISTRY.register(build)


for _net, _bottom_up in {"resnet": build_resnet_backbone, "torchvision": _build_torchvision}.items():
    for _pyramid in (FPN, PAFPN, BiFPN):
        if (_net, _pyramid) != ("resnet", FPN):  # exists in Detectron2
            _register(f"build_retinanet_{_net}_{_pyramid.__name__.lower()}_backbone", _bottom_up, _pyramid)
