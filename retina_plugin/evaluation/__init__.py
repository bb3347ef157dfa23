"""Evaluation."""

from .coco import COCOEvaluator, complete_annotations

__all__ = ["COCOEvaluator", "complete_annotations"]
