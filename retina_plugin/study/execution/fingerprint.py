"""What makes a run of a study this run: its config, its data, the code, and the number of threads."""

from __future__ import annotations

import functools
import hashlib
import json
import sys
from collections.abc import Iterator
from pathlib import Path

import detectron2
import torch
import torchvision
from detectron2.config import instantiate
from detectron2.data import DatasetCatalog, MetadataCatalog
from detectron2.utils.registry import locate
from omegaconf import DictConfig

from ...data import data_fingerprint
from ...engine.reliability.identity import config_values
from ...engine.setup import building

__all__ = ["CODE_VERSION", "RunFacts", "changes", "digest_of", "run_facts"]

RunFacts = dict[
    str, dict[str, str]
]  # "config", "data", "code", "threads", "start": values as text by their key

_PACKAGE = Path(__file__).resolve().parents[2]
DO_NOT_TRAIN = ("study", "analysis", "benchmark", "commands")  # training imports nothing of these
_VERSIONED = ("retina_plugin", "detectron2", "torch", "torchvision", "fvcore")


def _code_version() -> dict[str, str]:
    found = hashlib.sha256()
    for path in sorted(_PACKAGE.rglob("*.py")):
        name = path.relative_to(_PACKAGE)
        if name.parts[0] not in DO_NOT_TRAIN:
            found.update(f"{name}\0".encode() + path.read_bytes())
    packages = {p.__name__: p.__version__ for p in (torch, torchvision, detectron2)}
    return {"retina_plugin": found.hexdigest(), **packages}


# Hash of this package's sources that train, and the versions of what they stand on: of what this process has loaded,
# and not of what an editor makes of it later.
CODE_VERSION = _code_version()


def run_facts(cfg: DictConfig, threads: int) -> RunFacts:
    """Everything that the numbers of a run follow from.

    The data are the contents of the annotation files; images are not read, so that changed pixels go unnoticed.
    The code is this package as far as it trains, the versions of torch, torchvision and detectron2, and the files of
    other modules whose parts the config names. On a CPU sums depend on how many threads share them.

    Raises:
        ConfigError: if a key that has to be given is missing.
        DataError: if the annotations cannot be read.
    """
    with building(cfg, "data"):
        data = dict(_data(cfg))
        config = _config(cfg)
    code = CODE_VERSION | dict(_other_modules(config))
    return {"config": config, "data": data, "code": code, "threads": {"of a run": str(threads)}}


def digest_of(facts: RunFacts) -> str:
    """The facts as one short text."""
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()


def changes(before: RunFacts, now: RunFacts) -> list[str]:
    """What differs, such as "config train.max_iter: 120 -> 60", a phrase each."""
    phrases = []
    for part in {**before, **now}:
        old, new = before.get(part, {}), now.get(part, {})
        for key in sorted(k for k in {*old, *new} if old.get(k) != new.get(k)):
            values = [_shorten(x.get(key, "none")) for x in (old, new)]
            phrases.append(f"{part} {key}: {' -> '.join(values)}")
    return phrases


def _config(cfg: DictConfig) -> dict[str, str]:
    cfg = cfg.copy()
    cfg.train.output_dir = ""  # a study that is moved stays what it is
    return config_values(cfg)


def _data(cfg: DictConfig) -> Iterator[tuple[str, str]]:
    for split in ("train", "test"):
        names = instantiate(cfg.dataloader[split].dataset.names)
        for i, name in enumerate([names] if isinstance(names, str) else names):
            yield f"{split}.{i}", _data_digest(name)


def _data_digest(name: str) -> str:
    path = Path(MetadataCatalog.get(name).get("json_file", ""))
    if not path.is_file():
        return data_fingerprint(DatasetCatalog.get(name))
    return _file_digest(path, path.stat().st_mtime_ns, path.stat().st_size)


@functools.cache
def _file_digest(path: Path, mtime: int, size: int) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _other_modules(config: dict[str, str]) -> Iterator[tuple[str, str]]:
    targets = [value for key, value in config.items() if key.endswith("._target_")]
    for module in sorted({locate(target).__module__ for target in targets}):
        path = getattr(sys.modules.get(module), "__file__", None)
        if path and module.partition(".")[0] not in _VERSIONED:
            yield module, hashlib.sha256(Path(path).read_bytes()).hexdigest()


def _shorten(text: str, most: int = 40) -> str:
    return text if len(text) <= most else f"{text[: most - 28]}..."
