"""`LazyPredictor` by its shorter name; the code is in `inference/`."""

from .inference.predictor import LazyPredictor

__all__ = ["LazyPredictor"]
