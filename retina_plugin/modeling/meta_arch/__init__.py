"""The detector."""

from .retinanet import PluggableRetinaNet

__all__ = ["PluggableRetinaNet"]
