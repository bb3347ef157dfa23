"""Configs: found from any folder, checked against what the code takes, overridden strictly."""

from __future__ import annotations

import builtins
import functools
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml
from detectron2.config import CfgNode, LazyConfig
from detectron2.utils.registry import locate
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf

from .config_check import ConfigError, check_config, check_leads_somewhere, check_override

__all__ = ["ConfigError", "add_retina_plugin_config", "get_config", "load_config", "quoted"]

_PACKAGE = Path(__file__).resolve().parent
_ROOTS = (_PACKAGE / "configs", _PACKAGE.parent / "configs")  # installed; in a clone


def get_config(name: str, overrides: Sequence[str] = ()) -> DictConfig:
    """The config `name` that comes with retina_plugin, such as "COCO-Detection/retinanet_R_50_FPN_1x.py".

    Raises:
        ConfigError: if there is none of that name, or an override does not fit it.
    """
    if (path := _packaged(name)) is None:
        raise ConfigError(f"retina_plugin has no config {name!r}; there are {', '.join(_names())}")
    return load_config(path, overrides)


def load_config(path: str | Path, overrides: Sequence[str] = ()) -> DictConfig:
    """A LazyConfig file (.py, or the .yaml of a run folder) with `key=value` overrides, checked.

    Args:
        path: of a file, or the name of one that comes with retina_plugin.
        overrides: as Detectron2's; `+key=value` adds a key that is not there.

    Raises:
        ConfigError: if the file cannot be read or raises, if it has a key that nothing takes, or if an override
            names no key of the config or has a value of another type.
    """
    cfg = _read(Path(path))
    defaults = _train_defaults()
    check_config(cfg, defaults)
    if "train" in cfg:
        cfg.train = OmegaConf.merge(defaults, cfg.train)
    for override in overrides:
        _apply(cfg, override)
    if overrides:
        check_config(cfg, defaults)
    return cfg


def _packaged(name: str | Path) -> Path | None:
    return next((root / name for root in _ROOTS if (root / name).is_file()), None)


def _names() -> list[str]:
    found = {p.relative_to(root) for root in _ROOTS for p in root.rglob("retinanet_*.py")}
    return sorted(p.as_posix() for p in found if p.parts[0] != "common")


@functools.cache
def _train_defaults() -> DictConfig:
    """Every key that training reads: configs/common/train.py is their documentation."""
    return LazyConfig.load(str(_packaged("common/train.py")), "train")


def _read(path: Path) -> DictConfig:
    if path.suffix not in (".py", ".yaml", ".yml"):
        raise ConfigError(f"{path} is no config: its name must end in .py or .yaml")
    if not path.is_file():
        if (packaged := _packaged(path)) is None:
            raise ConfigError(f"config {path} does not exist")
        path = packaged
    original_import = builtins.__import__
    try:
        return _read_yaml(path) if path.suffix != ".py" else LazyConfig.load(str(path))
    except ConfigError:
        raise
    except Exception as e:
        raise ConfigError(f"config {path} raises {type(e).__name__}: {e}") from e
    finally:
        builtins.__import__ = (
            original_import  # detectron2 leaves its own behind a config that raises
        )


class _YamlLoader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):
    """Plain values, and what LazyConfig.save may write besides: tuples, and classes and functions by their names.

    Nothing is called. A name is looked up, as that in a `_target_` is, which imports its module.
    """


_YamlLoader.add_constructor(
    "tag:yaml.org,2002:python/tuple", lambda loader, node: tuple(loader.construct_sequence(node))
)
_YamlLoader.add_multi_constructor(
    "tag:yaml.org,2002:python/name:", lambda loader, name, node: locate(name)
)


def _read_yaml(path: Path) -> DictConfig:
    try:
        content = yaml.load(path.read_text(), _YamlLoader)
    except yaml.constructor.ConstructorError as e:
        line = e.problem_mark.line + 1 if e.problem_mark else "?"
        raise ConfigError(f"config {path}, line {line} is no plain value: {e.problem}") from e
    if not isinstance(content, dict):
        raise ConfigError(f"config {path} holds no mapping of keys")
    return OmegaConf.create(content, flags={"allow_objects": True})


def _apply(cfg: DictConfig, override: str) -> None:
    key, equals, text = override.partition("=")
    if not re.fullmatch(r"\+?[\w.\-]+", key) or not equals:
        raise ConfigError(
            f"{override!r} is no override: write key=value, such as train.max_iter=100"
        )
    add, key, value = key.startswith("+"), key.lstrip("+"), _parse(text)
    check_override(cfg, key, value, add)
    parent, _, last = key.rpartition(".")
    node = OmegaConf.select(cfg, parent) if parent else cfg
    merge = isinstance(value, dict)  # anything else takes the place of what was there
    if isinstance(node, DictConfig):
        # the node that an interpolation leads to, and not the interpolation
        OmegaConf.update(node, last, value, merge=merge, force_add=add)
    else:
        OmegaConf.update(cfg, key, value, merge=merge, force_add=add)
    check_leads_somewhere(cfg, key, value)


def _parse(text: str) -> Any:
    """A value in Hydra's grammar, which is Detectron2's; a path that it does not know is a text."""
    try:
        return OverridesParser.create().parse_override(f"key={text}").value()
    except HydraException as e:
        if text[:1] in "[{'\"":
            raise ConfigError(f"{text!r} cannot be parsed as a value: {e}") from e
        return text


def quoted(path: str | Path) -> str:
    """A path as the value of an override, whatever its characters."""
    text = re.sub(r"\\+(?='|\Z)", lambda slashes: slashes[0] * 2, str(path))
    return "'{}'".format(text.replace("'", r"\'"))


def add_retina_plugin_config(cfg: CfgNode) -> None:
    """Add the keys of this package to a yacs config, below Detectron2's own sections."""
    node = cfg.MODEL.RETINANET
    node.CLS_LOSS = "SigmoidFocalLoss"  # a name of CLS_LOSS_REGISTRY; focal loss has FOCAL_LOSS_*
    node.CE_LOSS_ALPHA = -1.0  # weight of positives of SigmoidCrossEntropyLoss; negative for none
    # any other argument of the loss, such as {"epsilon": -1.0} for PolyFocalLoss or {"alpha": [.2, .3]} per class
    node.CLS_LOSS_ARGS = CfgNode(new_allowed=True)
    cfg.MODEL.ANCHOR_GENERATOR.OCTAVE_BASE_SCALE = 4.0
    cfg.MODEL.ANCHOR_GENERATOR.SCALES_PER_OCTAVE = 3
    cfg.MODEL.FPN.TOP_BLOCK_IN_FEATURE = "res5"  # "p5" takes P6 from P5
    cfg.MODEL.FPN.NUM_REPEATS = 3  # of BiFPN
    cfg.MODEL.TORCHVISION = CfgNode()
    cfg.MODEL.TORCHVISION.NAME = "mobilenet_v2"
    cfg.MODEL.TORCHVISION.WEIGHTS = "IMAGENET1K_V1"  # "" for random ones
    cfg.MODEL.TORCHVISION.NORM = "FrozenBN"
    cfg.MODEL.TORCHVISION.FREEZE_AT = 0
