"""Single settings of a detector, also the loss arguments of Detectron2's RetinaNet; errors name the config key."""

import math
import sys
from collections.abc import Sequence
from typing import Any

from PIL import Image

from .. import losses
from ..losses.box import UPSTREAM_BOX_LOSSES
from ..losses.checks import check_kind

UPSTREAM_LOSS_ARGUMENTS = ("focal_loss_alpha", "focal_loss_gamma", "smooth_l1_beta", "box_reg_loss_type", "vis_period")


def check_normalization(pixel_mean: Sequence[float], pixel_std: Sequence[float], input_format: str) -> None:
    """Raise a ValueError unless both have as many numbers, or one for all channels, and `pixel_std` is positive.

    A format of more than three channels needs a number for each. A mapper of one's own may give fewer than the three of
    BGR, the default, which it need not read, and more than any format has.
    """
    numbers = {len(x) if hasattr(x, "__len__") else 0 for x in (pixel_mean, pixel_std)} - {1}  # a config may say 57.0
    if len(numbers) > 1 or 0 in numbers or min(pixel_std) <= 0:
        raise ValueError(
            "model.pixel_mean and model.pixel_std must have one number per channel of the images, and model.pixel_std "
            f"positive ones, got {pixel_mean} and {pixel_std}"
        )
    channels = channels_of_format(input_format)
    if channels > 3 and min(numbers, default=channels) < channels:
        raise ValueError(
            f"model.input_format={input_format} has {channels} channels, so model.pixel_mean and model.pixel_std must "
            f"have {channels} numbers each, or one for all channels, got {pixel_mean} and {pixel_std}"
        )


def channels_of_format(input_format: str) -> int:
    """Channels of images in this format: a mode of PIL, or BGR and others of Detectron2's, which have three."""
    try:
        return Image.getmodebands(input_format)
    except (KeyError, TypeError):
        return 3


def check_vis_period(vis_period: int) -> None:
    """Raise a ValueError unless Detectron2's `vis_period`, which its RetinaNet stores but never reads, is 0."""
    if vis_period != 0:
        raise ValueError(
            f"model.vis_period={vis_period} has no effect, as in Detectron2's RetinaNet: delete it and set "
            "train.vis_period instead"
        )


def check_numbers(model: Any) -> None:
    """Raise a ValueError if the weight of the loss or a limit of inference is out of range.

    Upstream accepts them: fewer detections than none drop the last ones, and an IoU below 0 drops all but one.
    """
    for name, low, high, wanted in (
        ("cls_loss_weight", 0, sys.float_info.max, "0 or more"),
        ("test_score_thresh", -math.inf, 1, "1 or less"),  # below 0 means none, too
        ("test_nms_thresh", 0, 1, "in [0, 1]"),
        ("test_topk_candidates", 1, math.inf, "1 or more"),
        ("max_detections_per_image", 1, math.inf, "1 or more"),
    ):
        if not low <= (value := getattr(model, name)) <= high:
            raise ValueError(f"model.{name} must be {wanted}, got {value}")


def choose_cls_loss(
    cls_loss: losses.ClassificationLoss | None, alpha: float | None, gamma: float | None
) -> losses.ClassificationLoss:
    """`cls_loss`, or focal loss with Detectron2's `alpha` and `gamma`.

    Raises:
        ValueError: if both are given, or `cls_loss` is something else.
    """
    if cls_loss is None:
        alpha = 0.25 if alpha is None else alpha
        # a negative alpha means "no weights" in fvcore
        return losses.SigmoidFocalLoss(None if alpha < 0 else alpha, 2.0 if gamma is None else gamma)
    check_kind("model.cls_loss", cls_loss, losses.ClassificationLoss)
    _refuse("cls_loss", cls_loss, focal_loss_alpha=(alpha, "alpha"), focal_loss_gamma=(gamma, "gamma"))
    return cls_loss


def choose_box_loss(box_loss: losses.BoxLoss | None, beta: float | None, loss_type: str | None) -> losses.BoxLoss:
    """`box_loss`, or the loss that `beta` and `loss_type` select in Detectron2.

    Raises:
        ValueError: if both are given, or `box_loss` is something else.
    """
    if box_loss is not None:
        check_kind("model.box_loss", box_loss, losses.BoxLoss)
        _refuse("box_loss", box_loss, smooth_l1_beta=(beta, "beta"), box_reg_loss_type=(loss_type, "_target_"))
        return box_loss
    if loss_type in (None, "smooth_l1"):
        return losses.SmoothL1Loss(0.0 if beta is None else beta)
    if loss_type not in UPSTREAM_BOX_LOSSES:
        raise ValueError(f"model.box_reg_loss_type={loss_type!r} is not one of {[*UPSTREAM_BOX_LOSSES]}")
    return UPSTREAM_BOX_LOSSES[loss_type]()


def _refuse(key: str, loss: object, **replaced: tuple[object, str]) -> None:
    for name, (value, setting) in replaced.items():
        if value is not None:
            raise ValueError(
                f"model.{name}={value} and model.{key}={type(loss).__name__} are both set, but the first one only "
                f"configures Detectron2's fixed loss: delete model.{name} and use model.{key}.{setting} instead"
            )
