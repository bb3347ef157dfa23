"""What a loss owes to the detector.

Shapes: M anchors, of which P are foreground; K classes; C logits per anchor (K, or K + 1 with softmax).
"""

from __future__ import annotations

import math
from typing import Any

import torch
from detectron2.config import CfgNode
from detectron2.modeling.box_regression import Box2BoxTransform
from torch import Tensor, nn


class ClassificationLoss(nn.Module):
    """One object for what changes together: formula, number of logits, activation and bias prior.

    The defaults here are those of K independent sigmoids. A subclass writes `forward`, and sets `wants_anchors` if
    its forward takes `anchors` (R, 4) too: absolute XYXY in pixels, the same for every image, with M = N R.
    """

    wants_anchors = False

    @classmethod
    def from_config(cls, cfg: CfgNode) -> dict[str, Any]:
        """Arguments of the constructor from `MODEL.RETINANET.CLS_LOSS_ARGS`, where None means the default."""
        arguments = cfg.MODEL.RETINANET.CLS_LOSS_ARGS
        return {name: value for name, value in arguments.items() if value is not None}

    def num_logits(self, num_classes: int) -> int:
        """Logits per anchor for `num_classes` classes."""
        return num_classes

    def forward(self, logits: Tensor, labels: Tensor) -> Tensor:
        """The summed loss, a scalar.

        Args:
            logits: (M, C), C = `num_logits(K)`.
            labels: (M,) integers: -1 is ignored, 0..K-1 a class, K background.
        """
        raise NotImplementedError

    def scores(self, logits: Tensor) -> Tensor:
        """Class probabilities (..., K) of logits (..., C)."""
        return logits.sigmoid()

    def prior_bias(self, num_classes: int, prior_prob: float) -> Tensor:
        """Bias (C,) of the last layer for which an untrained detector scores objects `prior_prob`.

        Source: "Focal Loss for Dense Object Detection", sections 3.3 and 4.1.

        Raises:
            ValueError: if `prior_prob` is not strictly between 0 and 1.
        """
        return torch.full((self.num_logits(num_classes),), log_odds(prior_prob))


class BoxLoss(nn.Module):
    """Regression loss on foreground anchors."""

    @classmethod
    def from_config(cls, cfg: CfgNode) -> dict[str, Any]:
        """Arguments of the constructor from a yacs config: none, unless a subclass has some."""
        return {}

    def forward(
        self,
        pred_anchor_deltas: Tensor,
        anchors: Tensor,
        gt_boxes: Tensor,
        box2box_transform: Box2BoxTransform,
    ) -> Tensor:
        """The summed loss, a scalar.

        Args:
            pred_anchor_deltas: (P, 4), in the units of `box2box_transform`.
            anchors: (P, 4), absolute XYXY in pixels.
            gt_boxes: (P, 4), the matched boxes, absolute XYXY in pixels.
            box2box_transform: between anchors and boxes.
        """
        raise NotImplementedError


def log_odds(prob: float) -> float:
    """The logit whose sigmoid is `prob`.

    Raises:
        ValueError: if `prob` is not strictly between 0 and 1.
    """
    if not 0 < prob < 1:
        raise ValueError(f"model.head.prior_prob must be between 0 and 1, got {prob}")
    return -math.log((1 - prob) / prob)
