"""Detection in single images."""

from .predictor import LazyPredictor

__all__ = ["LazyPredictor"]
