"""Parts of a detector. Importing this package registers them with Detectron2."""

from typing import Any

from . import backbone
from .anchor_generator import OctaveAnchorGenerator, feature_strides, num_cell_anchors
from .assigners import AnchorTargets, LabelAssigner, MatcherAssigner
from .backbone import PAFPN, AblatedFPN, BiFPN, TorchvisionBackbone, torchvision_channels
from .head import PluggableRetinaNetHead, head_input_shape
from .meta_arch import DenseNetwork, PluggableRetinaNet

__all__ = [
    "PAFPN",
    "AblatedFPN",
    "AnchorTargets",
    "BiFPN",
    "DenseNetwork",
    "LabelAssigner",
    "MatcherAssigner",
    "OctaveAnchorGenerator",
    "PluggableRetinaNet",
    "PluggableRetinaNetHead",
    "TorchvisionBackbone",
    "feature_strides",
    "head_input_shape",
    "num_cell_anchors",
    "torchvision_channels",
]


def __getattr__(name: str) -> Any:
    """The old name `LesionedFPN`, which configs may hold."""
    if name == "LesionedFPN":
        return backbone.LesionedFPN
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
