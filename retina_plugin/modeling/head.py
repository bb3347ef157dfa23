"""The head: two towers shared between levels. Its state-dict names are those of Detectron2's RetinaNetHead."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from detectron2.layers import CycleBatchNormList, ShapeSpec, get_norm
from torch import Tensor, nn

from .losses import ClassificationLoss

__all__ = ["PluggableRetinaNetHead", "head_input_shape"]


class PluggableRetinaNetHead(nn.Module):
    """Classification and box towers that may differ in depth, width and norm.

    The number of logits and the bias prior come from the classification loss. BN and SyncBN keep separate
    statistics for every level, as in Detectron2.
    Source: "Focal Loss for Dense Object Detection", section 4.
    """

    def __init__(
        self,
        *,
        input_shape: Sequence[ShapeSpec],
        num_classes: int,
        num_anchors: int,
        cls_loss: ClassificationLoss,
        conv_dims: Sequence[int] = (256, 256, 256, 256),
        bbox_conv_dims: Sequence[int] | None = None,
        norm: str = "",
        bbox_norm: str | None = None,
        prior_prob: float = 0.01,
    ) -> None:
        """Build both towers.

        Args:
            input_shape: of every level; the channels must agree.
            num_classes: K.
            num_anchors: A, anchors per location.
            cls_loss: says how many logits an anchor has, and their bias.
            conv_dims: channels of the classification tower's convs, one entry each; empty for no tower.
            bbox_conv_dims: the same of the box tower; None to do as the classification tower does.
            norm: Detectron2's name of a norm for the classification tower, "" for none.
            bbox_norm: the same of the box tower; None to do as the classification tower does.
            prior_prob: score of an untrained detector for objects.
        """
        super().__init__()
        channels = input_shape[0].channels
        bbox_conv_dims = conv_dims if bbox_conv_dims is None else bbox_conv_dims
        bbox_norm = norm if bbox_norm is None else bbox_norm
        num_levels = len(input_shape)
        self.cls_subnet = _tower(channels, conv_dims, norm, num_levels)
        self.bbox_subnet = _tower(channels, bbox_conv_dims, bbox_norm, num_levels)
        cls_channels, bbox_channels = [channels, *conv_dims][-1], [channels, *bbox_conv_dims][-1]
        num_logits = num_anchors * cls_loss.num_logits(num_classes)
        self.cls_score = nn.Conv2d(cls_channels, num_logits, 3, padding=1)
        self.bbox_pred = nn.Conv2d(bbox_channels, num_anchors * 4, 3, padding=1)
        self._initialize(cls_loss.prior_bias(num_classes, prior_prob).repeat(num_anchors))

    def _initialize(self, prior_bias: Tensor) -> None:
        for layer in self.modules():
            if isinstance(layer, nn.Conv2d):
                nn.init.normal_(layer.weight, std=0.01)
                nn.init.zeros_(layer.bias)
        with torch.no_grad():
            self.cls_score.bias.copy_(prior_bias)

    def forward(self, features: list[Tensor]) -> tuple[list[Tensor], list[Tensor]]:
        """Logits and deltas of every level.

        Args:
            features: one (N, channels, Hi, Wi) per level, from high to low resolution.

        Returns:
            Logits (N, A * C, Hi, Wi) and box deltas (N, A * 4, Hi, Wi), one of each per level.
        """
        pred_logits = [self.cls_score(self.cls_subnet(feature)) for feature in features]
        pred_anchor_deltas = [self.bbox_pred(self.bbox_subnet(feature)) for feature in features]
        return pred_logits, pred_anchor_deltas


def _tower(channels: int, conv_dims: Sequence[int], norm: str, num_levels: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    for out_channels in conv_dims:
        layers.append(nn.Conv2d(channels, out_channels, 3, padding=1))
        if norm:
            layers.append(_norm(norm, out_channels, num_levels))
        layers.append(nn.ReLU())
        channels = out_channels
    return nn.Sequential(*layers)


def _norm(norm: str, channels: int, num_levels: int) -> nn.Module:
    bn_class = {"BN": nn.BatchNorm2d, "SyncBN": nn.SyncBatchNorm}.get(norm)
    if bn_class is None:
        return get_norm(norm, channels)
    return CycleBatchNormList(length=num_levels, bn_class=bn_class, num_features=channels)


def head_input_shape(out_channels: int, in_features: Sequence[str]) -> list[ShapeSpec]:
    """Shapes that a pyramid gives to the head: `out_channels` on every level of `in_features`."""
    return [ShapeSpec(channels=out_channels) for _ in in_features]
