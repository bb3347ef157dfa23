"""Everything that determines the results of a run: its config, its data, the code, and the number of threads."""

import functools
import hashlib
import sys
from collections.abc import Iterator
from pathlib import Path

import detectron2
import torch
import torchvision
from detectron2.data import DatasetCatalog, MetadataCatalog
from detectron2.utils.registry import locate
from omegaconf import DictConfig, OmegaConf

from ...config import ConfigError
from ...config.walk import leaves
from ...data import data_fingerprint, dataset_names
from ...engine.reliability.config_values import config_values
from ...engine.setup import building

RunFacts = dict[str, dict[str, str]]
"""Values as text by key, in the parts "config", "data", "code", "threads", "start"."""

_PACKAGE = Path(__file__).resolve().parents[2]
NOT_FOR_TRAINING = ("study", "analysis", "benchmark", "commands")  # training imports nothing of these
_WITH_VERSIONS = ("retina_plugin", "detectron2", "torch", "torchvision", "fvcore")


def package_fingerprint() -> str:
    """Hash of the source files of this package that training may import, as they are on disk now."""
    found = hashlib.sha256()
    for path in sorted(_PACKAGE.rglob("*.py")):
        name = path.relative_to(_PACKAGE)
        if name.parts[0] not in NOT_FOR_TRAINING:
            found.update(f"{name}\0".encode() + path.read_bytes())
    return found.hexdigest()


_LOADED_PACKAGE = package_fingerprint()  # of the imported code, even if files change later


def run_facts(cfg: DictConfig, threads: int) -> RunFacts:
    """Everything that determines the results of a run; large contents as hashes.

    "data" covers the annotations, and checkpoints that the config names, such as `train.init_checkpoint`. Images are
    not read, so changed pixels go unnoticed. "code" covers the part of this package that trains, the versions of torch,
    torchvision and detectron2, and the files of other modules that the config names. "threads" is included because sums
    on a CPU depend on the number of threads.

    Raises:
        ConfigError: if a required key has no value, or a class or function that the config names cannot be imported.
        DataError: if the annotations cannot be read.
    """
    with building(cfg, "data"):
        data = dict(_data(cfg)) | dict(_checkpoints(cfg))
        config = config_facts(cfg)
    versions = {p.__name__: p.__version__ for p in (torch, torchvision, detectron2)}
    code = {"retina_plugin": _LOADED_PACKAGE, **versions, **dict(_other_modules(config))}
    return {"config": config, "data": data, "code": code, "threads": {"of a run": str(threads)}}


def config_facts(cfg: DictConfig) -> dict[str, str]:
    """The part "config" of `run_facts`: its values without the run folder, since a study folder may be moved."""
    anywhere = cfg.copy()
    anywhere.train.output_dir = ""
    return config_values(anywhere)


def changes(before: RunFacts, now: RunFacts) -> list[str]:
    """What differs, one phrase each, such as "config train.max_iter: 120 -> 60"."""
    phrases = []
    for part in {**before, **now}:
        old, new = before.get(part, {}), now.get(part, {})
        for key in sorted(k for k in {*old, *new} if old.get(k) != new.get(k)):
            values = [_shorten(x.get(key, "none")) for x in (old, new)]
            phrases.append(f"{part} {key}: {' -> '.join(values)}")
    return phrases


def _data(cfg: DictConfig) -> Iterator[tuple[str, str]]:
    for split in ("train", "test"):
        for i, name in enumerate(dataset_names(cfg, split)):
            yield f"{split}.{i}", _fingerprint_of_data(name)


def _fingerprint_of_data(name: str) -> str:
    path = Path(MetadataCatalog.get(name).get("json_file", ""))
    if not path.is_file():
        return data_fingerprint(DatasetCatalog.get(name))
    return _fingerprint_of_file(path, path.stat().st_mtime_ns, path.stat().st_size)


def _checkpoints(cfg: DictConfig) -> Iterator[tuple[str, str]]:
    """Hashes of local files that the config names in train.init_checkpoint or in a key "weights" of the model."""
    sections = {name: OmegaConf.to_container(cfg[name], resolve=True) for name in ("train", "model")}
    for key, value in leaves(sections):
        is_named = key == "train.init_checkpoint" or key.endswith(".weights")
        if is_named and isinstance(value, str) and value and (path := Path(value)).is_file():
            yield key, _fingerprint_of_file(path, path.stat().st_mtime_ns, path.stat().st_size)


@functools.cache
def _fingerprint_of_file(path: Path, mtime: int, size: int) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _other_modules(config: dict[str, str]) -> Iterator[tuple[str, str]]:
    """Modules that the config names outside this package and `_WITH_VERSIONS`, with hashes of their files."""
    targets = [value for key, value in config.items() if key.endswith("._target_")]
    for module in sorted({_module_of(target) for target in targets}):
        path = getattr(sys.modules.get(module), "__file__", None)
        if path and module.partition(".")[0] not in _WITH_VERSIONS:
            yield module, hashlib.sha256(Path(path).read_bytes()).hexdigest()


def _module_of(target: str) -> str:
    try:
        return locate(target).__module__
    except Exception as e:
        raise ConfigError(
            f"the config names {target!r}, which cannot be imported. A run can use classes and functions of importable "
            "modules only: move what a config file defines into a module"
        ) from e


def _shorten(text: str) -> str:
    return text if len(text) <= 40 else f"{text[:12]}..."
