"""Anchors by octaves, and values that a model config derives from its anchors."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from detectron2.config import CfgNode, configurable, get_cfg
from detectron2.layers import ShapeSpec
from detectron2.modeling.anchor_generator import ANCHOR_GENERATOR_REGISTRY, DefaultAnchorGenerator
from torch import nn

from .yacs import require_plugin_keys

__all__ = ["OctaveAnchorGenerator", "feature_strides", "num_cell_anchors"]

_RETINANET_STRIDES = [8, 16, 32, 64, 128]


@ANCHOR_GENERATOR_REGISTRY.register()
class OctaveAnchorGenerator(DefaultAnchorGenerator):
    """Detectron2's anchor generator, with anchor sizes computed from the strides.

    A level with stride s has the sizes (square roots of areas, in pixels) s * octave_base_scale * 2^(i / n) for
    i = 0..m n - 1, with n = scales_per_octave and m = num_octaves. Neighboring levels are one octave apart. The
    defaults are the paper's nine anchors per location.
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
        aspect_ratios: Sequence[float] | Sequence[Sequence[float]] = (0.5, 1.0, 2.0),
        offset: float = 0.0,
        sizes: None = None,
    ) -> None:
        """Compute the sizes of every level.

        Args:
            strides: of the levels, in pixels.
            octave_base_scale: smallest size of a level, in strides.
            scales_per_octave: sizes per octave.
            num_octaves: octaves per level.
            aspect_ratios: height / width, the same for all levels; as in Detectron2, they may stand in a list of lists.
            offset: of the first center, in strides.
            sizes: not accepted; named here so that a config of Detectron2's generator is answered by a clear error.

        Raises:
            ValueError: if a value is out of range, or for `sizes`.
        """
        key = "model.anchor_generator."
        if sizes is not None:
            raise ValueError(
                f"{key}sizes belongs to DefaultAnchorGenerator: delete it and set {key}octave_base_scale, "
                f"{key}scales_per_octave and {key}num_octaves instead"
            )
        aspect_ratios = _shared_ratios(aspect_ratios)
        if octave_base_scale <= 0:
            raise ValueError(f"{key}octave_base_scale must be above 0, got {octave_base_scale}")
        for name, number in ("scales_per_octave", scales_per_octave), ("num_octaves", num_octaves):
            if number < 1:
                raise ValueError(f"{key}{name} must be 1 or more, got {number}")
        if not aspect_ratios or min(aspect_ratios) <= 0:
            raise ValueError(f"{key}aspect_ratios must all be above 0, got {aspect_ratios}")
        if not 0 <= offset < 1:
            raise ValueError(f"{key}offset must be in [0, 1), got {offset}")
        super().__init__(
            sizes=_octave_sizes(strides, octave_base_scale, scales_per_octave, num_octaves),
            aspect_ratios=[aspect_ratios],
            strides=list(strides),
            offset=offset,
        )

    @classmethod
    def from_config(cls, cfg: CfgNode, input_shape: list[ShapeSpec]) -> dict[str, Any]:
        """Read the keys of `MODEL.ANCHOR_GENERATOR`, with the strides of `input_shape`.

        Raises:
            ValueError: if `MODEL.ANCHOR_GENERATOR.SIZES` was set to sizes that differ from those of the octaves.
        """
        require_plugin_keys(cfg)
        node = cfg.MODEL.ANCHOR_GENERATOR
        settings = {
            "strides": [shape.stride for shape in input_shape],
            "octave_base_scale": node.OCTAVE_BASE_SCALE,
            "scales_per_octave": node.SCALES_PER_OCTAVE,
            "num_octaves": node.NUM_OCTAVES,
            "aspect_ratios": node.ASPECT_RATIOS,
            "offset": node.OFFSET,
        }
        _check_yacs_sizes(node.SIZES, settings)
        return settings


def num_cell_anchors(anchor_generator: nn.Module) -> int:
    """Number of anchors per location, which determines the size of the head.

    Raises:
        ValueError: if the levels differ, since the head is shared between them.
    """
    numbers = list(anchor_generator.num_cell_anchors)
    if len(set(numbers)) != 1:
        raise ValueError(
            f"model.anchor_generator has {numbers} anchors per location on its levels, but the head is shared between"
            " levels and needs one number: give all levels the same number of sizes and of aspect_ratios"
        )
    return numbers[0]


def feature_strides(in_features: Sequence[str]) -> list[int]:
    """Strides in pixels of pyramid levels by their names: ["p3", "p4"] are [8, 16]."""
    return [2 ** int(name.lstrip("p")) for name in in_features]


def _octave_sizes(
    strides: Sequence[int], octave_base_scale: float, scales_per_octave: int, num_octaves: int
) -> list[list[float]]:
    scales = [2 ** (i / scales_per_octave) for i in range(scales_per_octave * num_octaves)]
    return [[stride * octave_base_scale * scale for scale in scales] for stride in strides]


def _shared_ratios(aspect_ratios: Sequence[Any]) -> list[float]:
    """The aspect ratios of all levels, from one list or from equal lists per level."""
    per_level = [x for x in aspect_ratios if isinstance(x, Sequence)]
    if not per_level:
        return list(aspect_ratios)
    if len(per_level) < len(aspect_ratios) or any(x != per_level[0] for x in per_level):
        raise ValueError(
            f"model.anchor_generator.aspect_ratios (yacs: MODEL.ANCHOR_GENERATOR.ASPECT_RATIOS) is {aspect_ratios}, "
            "but OctaveAnchorGenerator has the same aspect ratios on all levels: give one list, or use "
            "DefaultAnchorGenerator"
        )
    return list(per_level[0])


def _check_yacs_sizes(sizes: Sequence[Sequence[float]], settings: dict[str, Any]) -> None:
    """Refuse sizes that would be ignored, unless nobody chose them: Detectron2's default and its RetinaNet's table."""
    keys = ("strides", "octave_base_scale", "scales_per_octave", "num_octaves")
    ours = _octave_sizes(*(settings[key] for key in keys))
    untouched = [get_cfg().MODEL.ANCHOR_GENERATOR.SIZES, _octave_sizes(_RETINANET_STRIDES, 4, 3, 1)]
    if not any(_same_table(sizes, table) for table in (ours, *untouched)):
        raise ValueError(
            f"MODEL.ANCHOR_GENERATOR.SIZES is {sizes}, but OctaveAnchorGenerator computes its sizes: set "
            "OCTAVE_BASE_SCALE, SCALES_PER_OCTAVE and NUM_OCTAVES instead, or use DefaultAnchorGenerator"
        )


def _same_table(a: Sequence[Sequence[float]], b: Sequence[Sequence[float]]) -> bool:
    same_shape = [len(row) for row in a] == [len(row) for row in b]
    return same_shape and all(
        math.isclose(x, y, rel_tol=1e-6)
        for row, other in zip(a, b, strict=True)
        for x, y in zip(row, other, strict=True)
    )
