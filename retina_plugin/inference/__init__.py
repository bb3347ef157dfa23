"""Detection in images and videos, faster detectors, and drawings."""

from .optimize import optimize_for_inference
from .predictor import LazyPredictor

__all__ = ["LazyPredictor", "optimize_for_inference"]
