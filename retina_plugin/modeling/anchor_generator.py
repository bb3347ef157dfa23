"""Anchors by octaves, and the numbers that the rest of a model config derives from them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from detectron2.config import CfgNode, configurable
from detectron2.layers import ShapeSpec
from detectron2.modeling.anchor_generator import ANCHOR_GENERATOR_REGISTRY, DefaultAnchorGenerator
from torch import nn

__all__ = ["OctaveAnchorGenerator", "feature_strides", "num_cell_anchors"]


@ANCHOR_GENERATOR_REGISTRY.register()
class OctaveAnchorGenerator(DefaultAnchorGenerator):
    """RetinaNet's anchors in three numbers instead of a table.

    The sizes (square roots of areas, in pixels) of a level with stride s are s * octave_base_scale * 2^(i / n) for
    i = 0..m n - 1, with n = scales_per_octave and m = num_octaves; one octave lies between two levels. The defaults
    are the nine anchors of every location in the paper.
    Source: "Focal Loss for Dense Object Detection", section 4.
    """

    @configurable
    def __init__(
        self,
        *,
        strides: Sequence[int],
        octave_base_scale: float = 4.0,
        scales_per_octave: int = 3,
        num_octaves: int = 1,
        aspect_ratios: Sequence[float] = (0.5, 1.0, 2.0),
        offset: float = 0.0,
    ) -> None:
        """Strides of the levels in pixels; `aspect_ratios` are height / width; `offset` of the first centre in strides.

        Raises:
            ValueError: if a number is out of range.
        """
        key = "model.anchor_generator."
        if octave_base_scale <= 0:
            raise ValueError(f"{key}octave_base_scale must be above 0, got {octave_base_scale}")
        for name, number in ("scales_per_octave", scales_per_octave), ("num_octaves", num_octaves):
            if number < 1:
                raise ValueError(f"{key}{name} must be 1 or more, got {number}")
        if not aspect_ratios or min(aspect_ratios) <= 0:
            raise ValueError(f"{key}aspect_ratios must all be above 0, got {list(aspect_ratios)}")
        if not 0 <= offset < 1:
            raise ValueError(f"{key}offset must be in [0, 1), got {offset}")
        scales = [2 ** (i / scales_per_octave) for i in range(scales_per_octave * num_octaves)]
        super().__init__(
            sizes=[[stride * octave_base_scale * scale for scale in scales] for stride in strides],
            aspect_ratios=[list(aspect_ratios)],
            strides=list(strides),
            offset=offset,
        )

    @classmethod
    def from_config(cls, cfg: CfgNode, input_shape: list[ShapeSpec]) -> dict[str, Any]:
        """Keys below `MODEL.ANCHOR_GENERATOR`, with the strides of `input_shape`."""
        node = cfg.MODEL.ANCHOR_GENERATOR
        return {
            "strides": [shape.stride for shape in input_shape],
            "octave_base_scale": node.OCTAVE_BASE_SCALE,
            "scales_per_octave": node.SCALES_PER_OCTAVE,
            "aspect_ratios": node.ASPECT_RATIOS[0],
            "offset": node.OFFSET,
        }


def num_cell_anchors(anchor_generator: nn.Module) -> int:
    """Anchors per location, for the head's size.

    Raises:
        ValueError: if the levels differ, which a head shared between levels cannot serve.
    """
    numbers = list(anchor_generator.num_cell_anchors)
    if len(set(numbers)) != 1:
        raise ValueError(
            f"model.anchor_generator has {numbers} anchors per location on its levels, but the head is shared between"
            " levels and needs one number: give every level as many sizes and aspect_ratios"
        )
    return numbers[0]


def feature_strides(in_features: Sequence[str]) -> list[int]:
    """Strides in pixels of pyramid levels by their names: ["p3", "p4"] are [8, 16]."""
    return [2 ** int(name.lstrip("p")) for name in in_features]
