"""Backbones and feature pyramids."""

from . import build  # noqa: F401  registers the builders
from .ablated_fpn import AblatedFPN, __getattr__  # noqa: F401  finds old names
from .bifpn import BiFPN
from .pafpn import PAFPN
from .torchvision_backbone import TorchvisionBackbone
from .torchvision_layout import torchvision_channels
from .torchvision_weights import without_pretrained_weights

__all__ = ["PAFPN", "AblatedFPN", "BiFPN", "TorchvisionBackbone", "torchvision_channels", "without_pretrained_weights"]
