"""Do the parts of a detector fit together? Every complaint names both values and the key to edit."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from detectron2.structures import Instances
from torch import nn

from ..anchor_generator import num_cell_anchors

if TYPE_CHECKING:
    from .retinanet import PluggableRetinaNet


def check_wiring(model: PluggableRetinaNet) -> None:
    """Compare backbone, anchors, head and loss of a detector.

    Raises:
        ValueError: naming the first two values that do not fit.
    """
    _check_levels(model)
    _check_top_block(model.backbone)
    _check_head(model)


def check_gt_classes(gt_instances: Sequence[Instances], num_classes: int) -> None:
    """See that all labels are classes.

    Raises:
        ValueError: for a label outside 0..num_classes-1.
    """
    for instances in gt_instances:
        if len(instances) == 0:
            continue
        low, high = (int(x) for x in instances.gt_classes.aminmax())
        if low < 0 or high >= num_classes:
            raise ValueError(
                f"gt_classes of a training image reach from {low} to {high}, but model.num_classes={num_classes} "
                f"allows 0 to {num_classes - 1}: set model.num_classes to the number of categories of the data"
            )


def _check_levels(model: PluggableRetinaNet) -> None:
    shapes = model.backbone.output_shape()
    for name in model.head_in_features:
        if name not in shapes:
            raise ValueError(
                f"model.head_in_features names {name!r}, but model.backbone gives {sorted(shapes)}"
            )
    strides = [shapes[name].stride for name in model.head_in_features]
    anchor_strides = list(model.anchor_generator.strides)
    if strides != anchor_strides:
        raise ValueError(
            f"model.anchor_generator.strides are {anchor_strides}, but model.head_in_features "
            f"{model.head_in_features} have strides {strides}: set model.anchor_generator.strides to these"
        )


def _check_top_block(backbone: nn.Module) -> None:
    top_block, bottom_up = (
        getattr(backbone, "top_block", None),
        getattr(backbone, "bottom_up", None),
    )
    conv = getattr(top_block, "p6", None)
    if bottom_up is None or not isinstance(conv, nn.Conv2d):
        return
    shapes = bottom_up.output_shape() | backbone.output_shape()
    name = top_block.in_feature
    if name not in shapes:
        raise ValueError(
            f"model.backbone.top_block.in_feature is {name!r}, but there is only {sorted(shapes)}"
        )
    if conv.in_channels != shapes[name].channels:
        raise ValueError(
            f"model.backbone.top_block.in_channels is {conv.in_channels}, but its in_feature {name!r} has "
            f"{shapes[name].channels} channels: set model.backbone.top_block.in_channels to that"
        )


def _check_head(model: PluggableRetinaNet) -> None:
    num_anchors = num_cell_anchors(model.anchor_generator)
    num_logits = model.cls_loss.num_logits(model.num_classes)
    _compare_outputs(model.head, "bbox_pred", num_anchors, 4, "4 deltas")
    loss = f"{num_logits} logits that {type(model.cls_loss).__name__} wants for {model.num_classes} classes"
    _compare_outputs(model.head, "cls_score", num_anchors, num_logits, loss)
    shapes = model.backbone.output_shape()
    channels = sorted({shapes[name].channels for name in model.head_in_features})
    for tower, last in (("cls_subnet", "cls_score"), ("bbox_subnet", "bbox_pred")):
        layers = [getattr(model.head, name, None) for name in (tower, last)]
        convs = [
            m for layer in layers if layer for m in layer.modules() if isinstance(m, nn.Conv2d)
        ]
        if convs and channels != [convs[0].in_channels]:
            raise ValueError(
                f"model.head.{tower} takes {convs[0].in_channels} channels, but model.backbone gives {channels} on "
                f"model.head_in_features: set model.head.input_shape to model.backbone.out_channels"
            )


def _compare_outputs(
    head: nn.Module, name: str, num_anchors: int, per_anchor: int, what: str
) -> None:
    conv = getattr(head, name, None)
    if isinstance(conv, nn.Conv2d) and conv.out_channels != num_anchors * per_anchor:
        raise ValueError(
            f"model.head.{name} has {conv.out_channels} output channels, but model.anchor_generator has {num_anchors} "
            f"anchors per location, which times the {what} makes {num_anchors * per_anchor}: derive "
            "model.head.num_anchors, model.head.num_classes and model.head.cls_loss from the model's own"
        )
