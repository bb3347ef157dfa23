"""An anchor generator with sizes by octave, and values that a model config derives from other keys."""

import re
from collections.abc import Sequence
from typing import Any

from detectron2.config import CfgNode, configurable, get_cfg
from detectron2.layers import ShapeSpec
from detectron2.modeling.anchor_generator import ANCHOR_GENERATOR_REGISTRY, DefaultAnchorGenerator
from torch import nn

from ..config.yacs import require_plugin_keys

_KEY = "model.anchor_generator."
Table = Sequence[Sequence[float]]


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
            strides: stride of every level, in pixels.
            octave_base_scale: smallest size of a level, in strides.
            scales_per_octave: sizes per octave.
            num_octaves: octaves per level.
            aspect_ratios: height / width, the same for all levels; a list of equal lists is accepted, as in Detectron2.
            offset: center of the first anchor from the top left corner of the image, in strides.
            sizes: not accepted; it exists so that a config for Detectron2's generator gets a clear error.

        Raises:
            ValueError: if a value is out of range, or for `sizes`.
        """
        if sizes is not None:
            raise ValueError(
                f"{_KEY}sizes belongs to DefaultAnchorGenerator: delete it and set {_KEY}octave_base_scale, "
                f"{_KEY}scales_per_octave and {_KEY}num_octaves instead"
            )
        aspect_ratios = _shared_ratios(aspect_ratios)
        for name, value, is_valid, wanted in (
            ("octave_base_scale", octave_base_scale, octave_base_scale > 0, "above 0"),
            ("scales_per_octave", scales_per_octave, scales_per_octave >= 1, "1 or more"),
            ("num_octaves", num_octaves, num_octaves >= 1, "1 or more"),
            ("aspect_ratios", aspect_ratios, min(aspect_ratios, default=0) > 0, "all above 0"),
            ("offset", offset, 0 <= offset < 1, "in [0, 1)"),
        ):
            if not is_valid:
                raise ValueError(f"{_KEY}{name} must be {wanted}, got {value}")
        super().__init__(
            sizes=_octave_sizes(strides, octave_base_scale, scales_per_octave, num_octaves),
            aspect_ratios=[aspect_ratios],
            strides=list(strides),
            offset=offset,
        )

    @classmethod
    def from_config(cls, cfg: CfgNode, input_shape: list[ShapeSpec]) -> dict[str, Any]:
        """Read `MODEL.ANCHOR_GENERATOR`; ValueError if SIZES is set and differs from the computed sizes."""
        require_plugin_keys(cfg)
        node = cfg.MODEL.ANCHOR_GENERATOR
        octaves = {
            "strides": [shape.stride for shape in input_shape],
            "octave_base_scale": node.OCTAVE_BASE_SCALE,
            "scales_per_octave": node.SCALES_PER_OCTAVE,
            "num_octaves": node.NUM_OCTAVES,
        }
        _check_yacs_sizes(node.SIZES, _octave_sizes(**octaves))
        return octaves | {"aspect_ratios": node.ASPECT_RATIOS, "offset": node.OFFSET}


def num_cell_anchors(anchor_generator: nn.Module) -> int:
    """Number of anchors per location, which determines the size of the head; ValueError if the levels differ."""
    numbers = list(anchor_generator.num_cell_anchors)
    if len(set(numbers)) != 1:
        raise ValueError(
            f"model.anchor_generator has {numbers} anchors per location on its levels, but the head is shared between"
            " levels and needs one number: give all levels the same number of sizes and of aspect_ratios"
        )
    return numbers[0]


def feature_strides(in_features: Sequence[str]) -> list[int]:
    """Strides, in pixels, of levels given by name: ["p3", "p4"] gives [8, 16], and ["res4"] gives [16].

    ValueError for a name without the number of its stage.
    """
    stages = [re.fullmatch(r"(?:p|c|res)(\d+)", name) for name in in_features]
    if None in stages:
        wrong = in_features[stages.index(None)]
        raise ValueError(f"the stride of the level {wrong!r} is unknown: names are p<stage> or res<stage>, as in p3")
    return [2 ** int(stage[1]) for stage in stages]


def _octave_sizes(
    strides: Sequence[int], octave_base_scale: float, scales_per_octave: int, num_octaves: int
) -> list[list[float]]:
    scales = [2 ** (i / scales_per_octave) for i in range(scales_per_octave * num_octaves)]
    return [[stride * octave_base_scale * scale for scale in scales] for stride in strides]


def _shared_ratios(aspect_ratios: Sequence[Any]) -> list[float]:
    """The aspect ratios of all levels, from one list or from equal lists per level."""
    if not any(isinstance(x, Sequence) for x in aspect_ratios):
        return list(aspect_ratios)
    if any(x != aspect_ratios[0] for x in aspect_ratios):
        raise ValueError(
            f"model.anchor_generator.aspect_ratios (yacs: MODEL.ANCHOR_GENERATOR.ASPECT_RATIOS) is {aspect_ratios}, "
            "but OctaveAnchorGenerator has the same aspect ratios on all levels: give one list, or use "
            "DefaultAnchorGenerator"
        )
    return list(aspect_ratios[0])


def _check_yacs_sizes(sizes: Table, ours: Table) -> None:
    """Refuse sizes that would be ignored, except the defaults of Detectron2 and of its RetinaNet configs."""
    defaults = [get_cfg().MODEL.ANCHOR_GENERATOR.SIZES, _octave_sizes([8, 16, 32, 64, 128], 4, 3, 1)]
    if _rounded(sizes) not in map(_rounded, [ours, *defaults]):
        raise ValueError(
            f"MODEL.ANCHOR_GENERATOR.SIZES is {sizes}, but OctaveAnchorGenerator computes its sizes: set "
            "OCTAVE_BASE_SCALE, SCALES_PER_OCTAVE and NUM_OCTAVES instead, or use DefaultAnchorGenerator"
        )


def check_octave_keys(cfg: CfgNode, anchor_generator: nn.Module) -> None:
    """Raise a ValueError if the keys of `OctaveAnchorGenerator` are set in a yacs config, but another one is built."""
    node = cfg.MODEL.ANCHOR_GENERATOR
    defaults = {"OCTAVE_BASE_SCALE": 4.0, "SCALES_PER_OCTAVE": 3, "NUM_OCTAVES": 1}
    unread = [f"{key}={node[key]}" for key, value in defaults.items() if node[key] != value]
    if unread and type(anchor_generator) is DefaultAnchorGenerator:
        raise ValueError(
            f"MODEL.ANCHOR_GENERATOR.NAME={node.NAME} does not read {', '.join(unread)}: set "
            "MODEL.ANCHOR_GENERATOR.NAME to OctaveAnchorGenerator, or delete these keys"
        )


def _rounded(table: Table) -> list[list[float]]:
    return [[round(size, 3) for size in level] for level in table]
