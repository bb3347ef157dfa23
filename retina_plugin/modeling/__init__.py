"""Parts of a detector. Importing this package registers them with Detectron2."""

from .anchor_generator import OctaveAnchorGenerator, feature_strides, num_cell_anchors
from .assigners import AnchorTargets, LabelAssigner, MatcherAssigner
from .backbone import (
    PAFPN,
    AblatedFPN,
    BiFPN,
    TorchvisionBackbone,
    __getattr__,  # noqa: F401  finds old names
    torchvision_channels,
)
from .head import PluggableRetinaNetHead, head_input_shape
from .meta_arch import DenseNetwork, PluggableRetinaNet
from .optimization.recompute import recompute_activations
from .optimization.training import optimize_for_training

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
    "optimize_for_training",
    "recompute_activations",
    "torchvision_channels",
]
