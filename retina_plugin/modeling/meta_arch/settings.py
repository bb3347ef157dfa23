"""Checks of single settings of a detector. Every error names the config key to edit."""

import math
from collections.abc import Sequence
from typing import Any


def check_normalization(pixel_mean: Sequence[float], pixel_std: Sequence[float]) -> None:
    """Raise a ValueError unless both have as many numbers, or one for all channels, and `pixel_std` is positive."""
    numbers = {len(x) if hasattr(x, "__len__") else 0 for x in (pixel_mean, pixel_std)} - {1}  # a config may say 57.0
    if len(numbers) > 1 or 0 in numbers or min(pixel_std) <= 0:
        raise ValueError(
            "model.pixel_mean and model.pixel_std must have one number per channel of the images, and model.pixel_std "
            f"positive ones, got {pixel_mean} and {pixel_std}"
        )


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
    weight, score, iou = model.cls_loss_weight, model.test_score_thresh, model.test_nms_thresh
    topk, most = model.test_topk_candidates, model.max_detections_per_image
    for name, value, is_valid, wanted in (
        ("cls_loss_weight", weight, 0 <= weight < math.inf, "0 or more"),
        ("test_score_thresh", score, score <= 1, "1 or less"),  # below 0 means none, too
        ("test_nms_thresh", iou, 0 <= iou <= 1, "in [0, 1]"),
        ("test_topk_candidates", topk, topk >= 1, "1 or more"),
        ("max_detections_per_image", most, most >= 1, "1 or more"),
    ):
        if not is_valid:
            raise ValueError(f"model.{name} must be {wanted}, got {value}")
