"""Detection in single images, and faster detectors for it."""

from .optimize import optimize_for_inference
from .predictor import LazyPredictor

__all__ = ["LazyPredictor", "optimize_for_inference"]
