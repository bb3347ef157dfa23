"""Short import path of `LazyPredictor`, which is defined in `inference/`."""

from .inference.predictor import LazyPredictor

__all__ = ["LazyPredictor"]
