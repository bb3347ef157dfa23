"""Checks that the parts of a detector fit together. Every error names both values and the config key to edit."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from detectron2.layers import Conv2d
from detectron2.modeling import FPN
from detectron2.modeling.meta_arch.retinanet import RetinaNetHead
from detectron2.structures import Instances
from torch import Tensor, nn

from ..anchor_generator import num_cell_anchors
from ..head import PluggableRetinaNetHead

if TYPE_CHECKING:
    from .retinanet import PluggableRetinaNet

BOX_DIM = 4
_OWN_HEAD = "retina_plugin.modeling.PluggableRetinaNetHead"


def head_outputs(head: nn.Module) -> tuple[int, int, int] | None:
    """Anchors per location, logits per anchor and box deltas per anchor of a head; None if it declares none."""
    if isinstance(head, RetinaNetHead) and _are_convolutions(head.cls_score, head.bbox_pred):
        num_anchors = head.bbox_pred.out_channels // BOX_DIM
        return num_anchors, head.cls_score.out_channels // num_anchors, BOX_DIM
    declared = tuple(getattr(head, name, None) for name in ("num_anchors", "num_logits", "box_dim"))
    return None if None in declared else declared


def check_wiring(model: PluggableRetinaNet) -> None:
    """Compare backbone, anchors, label assigner, head and losses; a ValueError names the values that do not fit."""
    _check_box_weights(model)
    _check_levels(model)
    _check_top_block(model.backbone)
    _check_head_inputs(model)
    outputs = head_outputs(model.head)
    if outputs is not None:
        _check_predictions(model, *outputs[1:])
    if hasattr(model.anchor_generator, "num_cell_anchors"):
        _check_anchors(model, None if outputs is None else outputs[0])


def check_channels(model: PluggableRetinaNet, predictions: Sequence[Sequence[Tensor]], dims: Sequence[int]) -> None:
    """Raise a ValueError if a head gave other numbers of channels than the anchors need.

    `predictions` are logits and deltas per level, each (N, channels, Hi, Wi); `dims` are their values per anchor.
    """
    if not hasattr(model.anchor_generator, "num_cell_anchors"):
        return
    num_anchors = num_cell_anchors(model.anchor_generator)
    for what, levels, dim in zip(("logits", "box deltas"), predictions, dims, strict=True):
        for level in levels:
            if level.shape[1] != num_anchors * dim:
                raise ValueError(
                    f"model.head={type(model.head).__name__} gives {level.shape[1]} channels of {what}, but "
                    f"{num_anchors} anchors per location with {dim} {what} each need {num_anchors * dim}: "
                    "derive its number of anchors from model.anchor_generator, its logits from model.cls_loss"
                )


def check_annotated(batched_inputs: Sequence[dict[str, Any]]) -> None:
    """Raise a ValueError unless every image of a training batch has "instances"."""
    for i, inputs in enumerate(batched_inputs):
        if "instances" not in inputs:
            raise ValueError(
                f"image {i} of a training batch has no 'instances' with gt_boxes and gt_classes: load it with a mapper "
                "of training (is_train=True), or call model.eval() to detect"
            )


def check_gt_classes(gt_instances: Sequence[Instances], num_classes: int) -> None:
    """Raise a ValueError for a label outside 0..num_classes-1."""
    for instances in gt_instances:
        if len(instances) == 0:
            continue
        low, high = (int(x) for x in instances.gt_classes.aminmax())
        if low < 0 or high >= num_classes:
            raise ValueError(
                f"gt_classes of a training image range from {low} to {high}, but model.num_classes={num_classes} "
                f"allows 0 to {num_classes - 1}: set model.num_classes to the number of categories of the data"
            )


def _check_box_weights(model: PluggableRetinaNet) -> None:
    weights = getattr(model.box2box_transform, "weights", (1.0,) * BOX_DIM)  # a transform of one's own may have none
    if weights is None or len(weights) != BOX_DIM or min(weights) <= 0:
        raise ValueError(f"model.box2box_transform.weights must be {BOX_DIM} positive numbers, got {weights}")


def _check_levels(model: PluggableRetinaNet) -> None:
    shapes = model.backbone.output_shape()
    for name in model.head_in_features:
        if name not in shapes:
            raise ValueError(f"model.head_in_features names {name!r}, but model.backbone outputs {sorted(shapes)}")
        if model.head_in_features.count(name) > 1:
            raise ValueError(f"model.head_in_features names {name!r} twice, got {model.head_in_features}")
    strides = [shapes[name].stride for name in model.head_in_features]
    # a generator of another package may have no `strides`
    anchor_strides = list(getattr(model.anchor_generator, "strides", strides))
    if strides != anchor_strides:
        raise ValueError(
            f"model.anchor_generator.strides are {anchor_strides}, but model.head_in_features "
            f"{model.head_in_features} have strides {strides}: set model.anchor_generator.strides to these"
        )


def _check_top_block(backbone: nn.Module) -> None:
    top_block, bottom_up = getattr(backbone, "top_block", None), getattr(backbone, "bottom_up", None)
    name = getattr(top_block, "in_feature", None)
    if bottom_up is None or name is None or not isinstance(backbone, FPN):
        return
    stride = bottom_up.output_shape()[backbone.in_features[-1]].stride
    own = {level: shape for level, shape in backbone.output_shape().items() if shape.stride <= stride}
    # FPN, too, prefers the bottom-up feature: Detectron2's Swin Transformer calls its last one p3
    shapes = own | bottom_up.output_shape()
    key = "model.backbone.top_block.in_feature"
    if name not in shapes:
        raise ValueError(f"{key} is {name!r}, but the backbone only has {sorted(shapes)}")
    if shapes[name].stride != stride:
        fits = " or ".join(other for other, shape in shapes.items() if shape.stride == stride)
        raise ValueError(
            f"{key} is {name!r} with stride {shapes[name].stride}, but anchors of the level that it halves have stride "
            f"{2 * stride}: set {key} to {fits}, with stride {stride}"
        )
    conv = getattr(top_block, "p6", None)
    if isinstance(conv, nn.Conv2d) and conv.in_channels != shapes[name].channels:
        raise ValueError(
            f"model.backbone.top_block.in_channels is {conv.in_channels}, but its in_feature {name!r} has "
            f"{shapes[name].channels} channels: set model.backbone.top_block.in_channels to that"
        )


def _check_head_inputs(model: PluggableRetinaNet) -> None:
    if type(model.head).forward not in (RetinaNetHead.forward, PluggableRetinaNetHead.forward):
        return  # another head may add channels before its towers
    shapes = model.backbone.output_shape()
    channels = sorted({shapes[name].channels for name in model.head_in_features})
    for tower, last in (("cls_subnet", "cls_score"), ("bbox_subnet", "bbox_pred")):
        first = next((x for x in (*getattr(model.head, tower), getattr(model.head, last))), None)
        if _are_convolutions(first) and channels != [first.in_channels]:
            raise ValueError(
                f"model.head.{tower} takes {first.in_channels} channels, but model.backbone outputs {channels} on "
                f"model.head_in_features: set model.head.input_shape to model.backbone.out_channels"
            )


def _are_convolutions(*layers: nn.Module) -> bool:
    """Whether the layers are plain convolutions; a class of the user may take or give other channels than it says."""
    return all(type(x) in (nn.Conv2d, Conv2d) for x in layers)


def _check_predictions(model: PluggableRetinaNet, num_logits: int, box_dim: int) -> None:
    wanted = model.cls_loss.num_logits(model.num_classes)
    if num_logits != wanted:
        fix = "derive model.head.num_classes and model.head.cls_loss from the model's own"
        if isinstance(model.head, RetinaNetHead):
            fix = f"set model.head._target_={_OWN_HEAD} and model.head.cls_loss to the model's own"
        raise ValueError(
            f"model.head predicts {num_logits} logits per anchor, but model.cls_loss="
            f"{type(model.cls_loss).__name__} needs {wanted} for model.num_classes={model.num_classes}: {fix}"
        )
    if box_dim != BOX_DIM:
        raise ValueError(
            f"model.head.box_dim is {box_dim}, but model.box2box_transform decodes {BOX_DIM} deltas per anchor: "
            f"use a head with {BOX_DIM}"
        )


def _check_anchors(model: PluggableRetinaNet, in_head: int | None) -> None:
    if getattr(model.anchor_generator, "box_dim", BOX_DIM) != BOX_DIM:
        raise ValueError(
            f"model.anchor_generator={type(model.anchor_generator).__name__} makes anchors of "
            f"{model.anchor_generator.box_dim} numbers, but boxes here have {BOX_DIM}: use OctaveAnchorGenerator"
        )
    num_anchors = num_cell_anchors(model.anchor_generator)
    if in_head not in (None, num_anchors):
        raise ValueError(
            f"model.head.num_anchors is {in_head}, but model.anchor_generator has {num_anchors} "
            "anchors per location: derive model.head.num_anchors from model.anchor_generator"
        )
    if model.label_assigner.one_anchor_per_place and num_anchors != 1:
        raise ValueError(
            f"model.label_assigner={type(model.label_assigner).__name__} needs one anchor per location, but "
            f"model.anchor_generator has {num_anchors}: set scales_per_octave=1, num_octaves=1 and aspect_ratios=[1.0] "
            "of model.anchor_generator"
        )
