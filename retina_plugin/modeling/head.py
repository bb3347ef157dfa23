"""The head of RetinaNet: a classification and a box tower, shared between levels."""

from collections.abc import Sequence
from typing import Any, Literal

import torch
from detectron2.config import CfgNode, configurable
from detectron2.layers import CycleBatchNormList, ShapeSpec, get_norm
from detectron2.modeling import build_anchor_generator
from torch import Tensor, nn

from ..config.yacs import require_plugin_keys
from .anchor_generator import num_cell_anchors
from .losses import STATIONARY, ClassificationLoss, build_cls_loss
from .losses.checks import check_kind


class PluggableRetinaNetHead(nn.Module):
    """Detectron2's RetinaNetHead, with towers that may differ in depth, width and norm.

    The classification loss determines the number of logits and their initial bias. State-dict names are upstream's. BN
    and SyncBN keep separate statistics for every level, as upstream.
    Source: "Focal Loss for Dense Object Detection", section 4.

    Attributes:
        num_anchors: A, anchors per location.
        num_logits: C, logits per anchor.
        box_dim: box deltas per anchor.
    """

    box_dim = 4

    @configurable
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
        prior_prob: float | Literal["stationary"] = 0.01,
    ) -> None:
        """Build both towers.

        Args:
            input_shape: shape of the features of every level; all must have the same number of channels.
            num_classes: K, without background.
            num_anchors: anchors per location.
            cls_loss: gives the number of logits per anchor and their initial bias.
            conv_dims: output channels of the convolutions of the classification tower; empty for no tower.
            bbox_conv_dims: the same for the box tower; None to use `conv_dims`.
            norm: Detectron2's name of the norm in the classification tower; "" for none.
            bbox_norm: the same for the box tower; None to use `norm`.
            prior_prob: the score that an untrained detector gives to objects. In the config of a training,
                "stationary" stands for the constant score at which the loss is smallest for the training data; training
                replaces it by the number, see `losses.stationary_prob`.

        Raises:
            ValueError: if `prior_prob` is not a number strictly between 0 and 1, `cls_loss` no ClassificationLoss, or
                a number of channels below 1, or a norm unknown or unfit for it.
        """
        check_kind("model.cls_loss", cls_loss, ClassificationLoss)
        _check_prior(prior_prob, "model.head.prior_prob")
        super().__init__()
        channels = input_shape[0].channels
        bbox_conv_dims = conv_dims if bbox_conv_dims is None else bbox_conv_dims
        bbox_norm = norm if bbox_norm is None else bbox_norm
        _check_channels(channels, conv_dims, bbox_conv_dims)
        self.cls_subnet = _tower(channels, conv_dims, norm, len(input_shape))
        self.bbox_subnet = _tower(channels, bbox_conv_dims, bbox_norm, len(input_shape))
        cls_channels, bbox_channels = [channels, *conv_dims][-1], [channels, *bbox_conv_dims][-1]
        self.num_anchors, self.num_logits = num_anchors, cls_loss.num_logits(num_classes)
        self.cls_score = nn.Conv2d(cls_channels, num_anchors * self.num_logits, 3, padding=1)
        self.bbox_pred = nn.Conv2d(bbox_channels, num_anchors * self.box_dim, 3, padding=1)
        for layer in self.modules():
            if isinstance(layer, nn.Conv2d):
                nn.init.normal_(layer.weight, std=0.01)
                nn.init.zeros_(layer.bias)
        with torch.no_grad():
            self.cls_score.bias.copy_(cls_loss.prior_bias(num_classes, prior_prob).repeat(num_anchors))

    @classmethod
    def from_config(cls, cfg: CfgNode, input_shape: list[ShapeSpec]) -> dict[str, Any]:
        """Read the keys of `MODEL.RETINANET`, as Detectron2's head does."""
        require_plugin_keys(cfg)
        node = cfg.MODEL.RETINANET
        _check_prior(node.PRIOR_PROB, "MODEL.RETINANET.PRIOR_PROB")
        return {
            "input_shape": input_shape,
            "num_classes": node.NUM_CLASSES,
            "num_anchors": num_cell_anchors(build_anchor_generator(cfg, input_shape)),
            "cls_loss": build_cls_loss(cfg),
            "conv_dims": [input_shape[0].channels] * node.NUM_CONVS,
            "norm": node.NORM,
            "prior_prob": node.PRIOR_PROB,
        }

    def forward(self, features: list[Tensor]) -> tuple[list[Tensor], list[Tensor]]:
        """Predict logits (N, A * C, Hi, Wi) and box deltas (N, A * 4, Hi, Wi) of every level.

        `features` are (N, channels, Hi, Wi), from high to low resolution.
        """
        start_at_first_level(self)
        pred_logits = [self.cls_score(self.cls_subnet(feature)) for feature in features]
        return pred_logits, [self.bbox_pred(self.bbox_subnet(feature)) for feature in features]


def start_at_first_level(head: nn.Module) -> None:
    """Reset norms with separate statistics per level to the first level, as a failed pass stops at any level."""
    for module in head.modules():
        if isinstance(module, CycleBatchNormList):
            module._pos = 0


def _check_prior(prior_prob: Any, key: str) -> None:
    if prior_prob == STATIONARY:
        raise ValueError(
            f"{key}={STATIONARY!r} has to be replaced by a number, which depends on training data: retina train "
            "and studies do so for a lazy config; otherwise compute it with modeling.losses.stationary_prob"
        )
    if isinstance(prior_prob, str):
        raise ValueError(f"{key} must be a number between 0 and 1 or {STATIONARY!r}, got {prior_prob!r}")


def _check_channels(channels: int, conv_dims: Sequence[int], bbox_conv_dims: Sequence[int]) -> None:
    dims = {"backbone.out_channels": [channels], "head.conv_dims": conv_dims, "head.bbox_conv_dims": bbox_conv_dims}
    for key, numbers in dims.items():
        if min(numbers, default=1) < 1:
            raise ValueError(f"model.{key} must be 1 or more, got {', '.join(map(str, numbers))}")


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
    bn_classes = {"BN": nn.BatchNorm2d, "SyncBN": nn.SyncBatchNorm}
    if norm not in bn_classes:
        try:
            return get_norm(norm, channels)
        except (KeyError, ValueError) as e:  # GN needs a multiple of 32 channels
            what = f"{type(e).__name__}: {e}"
            raise ValueError(f"model.head.norm={norm!r} is no norm for {channels} channels in a tower: {what}") from e
    return CycleBatchNormList(length=num_levels, bn_class=bn_classes[norm], num_features=channels)


def head_input_shape(out_channels: int, in_features: Sequence[str]) -> list[ShapeSpec]:
    """Input shapes of a head on a pyramid with `out_channels` on each of the levels `in_features`."""
    return [ShapeSpec(channels=out_channels) for _ in in_features]
