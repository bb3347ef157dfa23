"""Backbones and feature pyramids."""

from typing import Any

from . import (
    ablated_fpn,
    build,  # noqa: F401  registers the builders
)
from .ablated_fpn import AblatedFPN
from .bifpn import BiFPN
from .pafpn import PAFPN
from .torchvision_backbone import TorchvisionBackbone
from .torchvision_layout import torchvision_channels
from .torchvision_weights import without_pretrained_weights

__all__ = [
    "PAFPN",
    "AblatedFPN",
    "BiFPN",
    "TorchvisionBackbone",
    "torchvision_channels",
    "without_pretrained_weights",
]


def __getattr__(name: str) -> Any:
    """Names of version 0.1 that configs may hold: `LesionedFPN`, and `lesions`, its module."""
    if name == "lesions":
        return ablated_fpn
    if name == "LesionedFPN":
        return ablated_fpn.LesionedFPN
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
