"""From a config to the layout of its anchors, and from a layout to overrides of the config."""

import re
from collections.abc import Sequence

import numpy as np
from omegaconf import DictConfig, OmegaConf

from ...config import ConfigError
from ...config.overrides import apply_override
from ...modeling import OctaveAnchorGenerator
from .detector import AnchorDetector
from .shapes import Layout

_GENERATOR = "model.anchor_generator"


def current_layout(cfg: DictConfig, detector: AnchorDetector) -> Layout:
    """The anchors of a config; ConfigError if its generator is no `OctaveAnchorGenerator`."""
    generator, node = detector.model.anchor_generator, cfg.model.anchor_generator
    if type(generator) is not OctaveAnchorGenerator:
        raise ConfigError(
            f"--search varies OctaveAnchorGenerator, but {_GENERATOR} is {type(generator).__name__}: "
            "use retina_plugin.modeling.OctaveAnchorGenerator"
        )
    ratios = np.atleast_2d(list(node.get("aspect_ratios", (0.5, 1.0, 2.0))))[0]  # of all levels, or of the first
    return Layout(
        levels=detector.levels,
        octave_base_scale=float(node.get("octave_base_scale", 4.0)),
        scales_per_octave=int(node.get("scales_per_octave", 3)),
        aspect_ratios=tuple(ratios.tolist()),
        num_octaves=int(node.get("num_octaves", 1)),
    )


def check_levels(levels: Sequence[str]) -> tuple[str, ...]:
    """The levels from fine to coarse; ConfigError if they are not consecutive, or not named like p3."""
    known = [x for x in levels if re.fullmatch(r"p\d", x)]
    stages = sorted(int(x[1]) for x in known)
    if len(known) < len(levels) or stages != list(range(stages[0], stages[0] + len(stages))):
        raise ConfigError(f"--levels {' '.join(levels)}: give neighbouring levels of the pyramid, such as p2 p3 p4")
    return tuple(f"p{i}" for i in stages)


def check_coarsest(levels: Sequence[str], detector: AnchorDetector) -> None:
    """Raise ConfigError if a level like p9 is coarser than the pyramid of a detector; finer ones can be added."""
    has = sorted(name for name in detector.model.backbone.output_shape() if re.fullmatch(r"p\d", name))
    if has and max(levels) > has[-1]:
        raise ConfigError(
            f"--levels {' '.join(levels)}: the pyramid of this config ends with {has[-1]}: leave out coarser levels"
        )


def layout_overrides(cfg: DictConfig, now: Layout, new: Layout) -> list[str]:
    """Overrides that replace the anchors `now` of a config by `new`; ConfigError if its pyramid lacks the levels."""
    values = {
        "octave_base_scale": f"{new.octave_base_scale:g}",
        "scales_per_octave": f"{new.scales_per_octave}",
        "aspect_ratios": _listed(f"{x:g}" for x in new.aspect_ratios),
        "num_octaves": f"{new.num_octaves}",
    }
    changed = [key for key in values if getattr(now, key) != getattr(new, key)]
    overrides = [f"{_GENERATOR}.{key}={values[key]}" for key in changed]
    if new.levels != now.levels:
        overrides = [*_pyramid_overrides(cfg, new.levels), f"model.head_in_features={_listed(new.levels)}", *overrides]
    return overrides


def with_overrides(cfg: DictConfig, overrides: Sequence[str]) -> DictConfig:
    """A copy of a config with overrides; ConfigError if one does not fit."""
    cfg = cfg.copy()
    for override in overrides:
        apply_override(cfg, override)
    return cfg


def _pyramid_overrides(cfg: DictConfig, levels: Sequence[str]) -> list[str]:
    """Overrides that let the pyramid begin at `levels[0]`; empty if it already has that level."""
    backbone = cfg.model.backbone
    features = OmegaConf.select(backbone, "in_features", default=None)
    stages = [int(re.sub(r"\D", "", name)) for name in features or ()]
    first = int(levels[0][1:])
    if stages and first >= min(stages):
        return []
    if not stages or "bottom_up" not in backbone:
        raise ConfigError(
            f"{levels[0]} needs model.backbone.in_features with a finer feature, but there is no such key"
        )
    wanted = _listed(f"res{i}" for i in range(first, max(stages) + 1))
    overrides = [f"model.backbone.in_features={wanted}"]
    # small configs interpolate it from in_features
    if not OmegaConf.is_interpolation(backbone.bottom_up, "out_features"):
        overrides.append(f"model.backbone.bottom_up.out_features={wanted}")
    return overrides


def _listed(items: Sequence[str]) -> str:
    return f"[{','.join(items)}]"
