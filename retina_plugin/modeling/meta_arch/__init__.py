"""The detector, its wiring check, its loss normalizer, its count of foreground, its network as a separate module."""

from .feature_maps import FeatureMaps, ForegroundCounter
from .loss_normalizer import ForegroundAverage
from .network import DenseNetwork
from .retinanet import PluggableRetinaNet
from .training_pass import TrainingPass

__all__ = [
    "DenseNetwork",
    "FeatureMaps",
    "ForegroundAverage",
    "ForegroundCounter",
    "PluggableRetinaNet",
    "TrainingPass",
]
