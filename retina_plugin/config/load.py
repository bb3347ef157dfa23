"""Load configs by path or name, check them, and apply overrides."""

import builtins
import functools
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from detectron2.config import LazyConfig
from omegaconf import DictConfig, OmegaConf

from ..printable import nearby, shown
from .calls import is_call, parameters_of
from .check import check_config
from .errors import ConfigError
from .overrides import apply_override
from .untrusted import EVERYTHING
from .yaml_file import read_yaml

_PACKAGE = Path(__file__).resolve().parents[1]
_ROOTS = (_PACKAGE / "configs", _PACKAGE.parent / "configs")  # installed; in a clone


def get_config(name: str, overrides: Sequence[str] = ()) -> DictConfig:
    """A config that comes with retina_plugin, such as "COCO-Detection/retinanet_R_50_FPN_1x.py".

    Raises ConfigError if there is no config of this name, and like `load_config`.
    """
    if (path := _packaged(name)) is None:
        raise ConfigError(f"retina_plugin has no config {name!r}; there are {', '.join(_names())}")
    return load_config(path, overrides)


def load_config(path: str | Path, overrides: Sequence[str] = (), trust: Sequence[str] = EVERYTHING) -> DictConfig:
    """A LazyConfig file (.py, or the .yaml of a run folder) or packaged config, checked, with overrides applied.

    Overrides are `key=value` as in Detectron2; `+key=value` adds a key. `trust` restricts what a .yaml may name
    to parts of detectors, their data and training, and the modules that it lists; by default it may name anything.

    Raises:
        ConfigError: if the file cannot be read or raises an error, if it has an unknown key, or if an override
            names no key of the config or has a value of another type.
    """
    cfg = _without_overrides(Path(path), trust)
    for override in overrides:
        apply_override(cfg, override)
    if overrides:
        check_config(cfg, train_defaults())
    return cfg


def _without_overrides(path: Path, trust: Sequence[str]) -> DictConfig:
    """The config of a file, checked, with all keys that training reads."""
    cfg = _read(path, trust)
    if "train" in cfg:
        cfg.train = OmegaConf.merge(train_defaults(), cfg.train)
        _link_seed(cfg)
    return cfg


def _link_seed(cfg: DictConfig) -> None:
    """Let the training data use `train.seed`, unless the file gives their loader another seed.

    The files themselves leave the seed out: Detectron2's `benchmark.py --task data_advanced` passes all arguments of
    the loader on to a class without this argument.
    """
    loader = OmegaConf.select(cfg, "dataloader.train")
    if is_call(loader) and "seed" not in loader and "seed" in (parameters_of(loader) or ()):
        loader.seed = "${oc.select:train.seed,null}"


def _packaged(name: str | Path) -> Path | None:
    return next((root / name for root in _ROOTS if (root / name).is_file()), None)


def _names() -> list[str]:
    found = {p.relative_to(root) for root in _ROOTS for p in root.rglob("retinanet_*.py")}
    return sorted(p.as_posix() for p in found if p.parts[0] != "common")


@functools.cache
def train_defaults() -> DictConfig:
    """Every key of `train` with its default; configs/common/train.py documents them."""
    return LazyConfig.load(str(_packaged("common/train.py")), "train")


def _read(path: Path, trust: Sequence[str]) -> DictConfig:
    if path.suffix not in (".py", ".yaml", ".yml"):
        raise ConfigError(f"{path} is not a config: its name must end in .py or .yaml")
    if not path.is_file():
        if (packaged := _packaged(path)) is None:
            names = _names()
            near = nearby(path, names)
            there = "" if "did you mean" in near else f"; retina_plugin has {', '.join(names)}"
            raise ConfigError(f"config {path} does not exist{near}{there}")
        path = packaged
    with errors_named(f"config {path}"):
        cfg = LazyConfig.load(str(path)) if path.suffix == ".py" else read_yaml(path, trust)
        check_config(cfg, train_defaults())
        return cfg


@contextmanager
def errors_named(file: str) -> Iterator[None]:
    """Turn every error while a config or study is read into a ConfigError that names the file."""
    original_import = builtins.__import__
    try:
        yield
    except ConfigError as e:
        raise ConfigError(f"{file}: {e}") from e
    except Exception as e:
        raise ConfigError(f"{file} raises {type(e).__name__}: {shown(str(e), 500)}") from e
    finally:
        builtins.__import__ = original_import  # detectron2 does not restore it if a config raises an error
