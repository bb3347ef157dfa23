"""Detector parts. Importing this registers them with Detectron2."""

from .anchor_generator import OctaveAnchorGenerator, feature_strides, num_cell_anchors
from .backbone import PAFPN, BiFPN, LesionedFPN, TorchvisionBackbone, torchvision_channels
from .head import PluggableRetinaNetHead, head_input_shape
from .meta_arch import PluggableRetinaNet

__all__ = [
    "PAFPN",
    "BiFPN",
    "LesionedFPN",
    "OctaveAnchorGenerator",
    "PluggableRetinaNet",
    "PluggableRetinaNetHead",
    "TorchvisionBackbone",
    "feature_strides",
    "head_input_shape",
    "num_cell_anchors",
    "torchvision_channels",
]
