"""Evaluation with Detectron2's evaluators."""

from .coco import COCOEvaluator
from .truth import complete_annotations
from .validation_loss import build_annotated_loader, validation_loss

__all__ = ["COCOEvaluator", "build_annotated_loader", "complete_annotations", "validation_loss"]
