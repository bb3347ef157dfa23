"""The detector, its wiring check, its loss normalizer, and its network as a separate module."""

from .loss_normalizer import ForegroundAverage
from .network import DenseNetwork
from .retinanet import PluggableRetinaNet

__all__ = ["DenseNetwork", "ForegroundAverage", "PluggableRetinaNet"]
