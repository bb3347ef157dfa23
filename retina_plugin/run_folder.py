"""What lies where in a run folder, and one reader for each."""

from __future__ import annotations

import functools
import json
import os
import re
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf

from .config import load_config
from .weights import CheckpointError

__all__ = [
    "CONFIG",
    "DETECTIONS",
    "FINAL_CHECKPOINT",
    "LAST_CHECKPOINT",
    "METRICS",
    "checkpoints",
    "find_weights",
    "iteration_checkpoint",
    "iteration_checkpoints",
    "iterations_done",
    "last_evaluation",
    "read_config",
    "read_metrics",
]

CONFIG = "config.yaml"
METRICS = "metrics.json"  # one json object per line
FINAL_CHECKPOINT = "model_final.pth"
LAST_CHECKPOINT = "last_checkpoint"  # holds the name of the checkpoint to resume from
DETECTIONS = "inference/coco_instances_results.json"  # of the last evaluation


def iteration_checkpoint(iteration: int) -> str:
    """The file name of the checkpoint after iteration `iteration`, counted from 0, without its suffix."""
    return f"model_{iteration:07d}"


def iteration_checkpoints(run_dir: str | Path) -> list[Path]:
    """The checkpoints written during training, oldest first."""
    return sorted(Path(run_dir).glob("model_" + "[0-9]" * 7 + ".pth"))


def checkpoints(run_dir: str | Path) -> list[Path]:
    """The checkpoints of a run folder: the one to resume from first, then those before it."""
    folder = Path(run_dir)
    final = folder / FINAL_CHECKPOINT
    found = [final] * final.is_file() + iteration_checkpoints(folder)[::-1]
    tag = folder / LAST_CHECKPOINT
    tagged = folder / tag.read_text().strip() if tag.is_file() else folder
    if tagged in found:
        return found[found.index(tagged) :]
    return [tagged, *found] if tagged.is_file() else found


def find_weights(run_dir: str | Path) -> Path:
    """The newest checkpoint of a run folder: the final one of a finished run.

    Raises:
        CheckpointError: if there is none.
    """
    if found := checkpoints(run_dir):
        return found[0]
    raise CheckpointError(f"run folder {run_dir} holds no checkpoint: train it first")


def read_config(run_dir: str | Path) -> DictConfig:
    """The resolved config of a run, read once and shared by all callers; it cannot be changed.

    Raises:
        ConfigError: if the folder holds no valid config.yaml.
    """
    path = Path(run_dir, CONFIG).resolve()
    return _read_config(path, path.stat().st_mtime_ns if path.is_file() else 0)


@functools.lru_cache(maxsize=64)
def _read_config(path: Path, modified: int) -> DictConfig:
    cfg = load_config(path)
    OmegaConf.set_readonly(cfg, True)
    return cfg


def read_metrics(run_dir: str | Path) -> list[dict[str, Any]]:
    """The lines of metrics.json, without a last one that is still being written; empty without the file."""
    path = Path(run_dir, METRICS)
    if not path.is_file():
        return []
    return [json.loads(line) for line in path.read_text().split("\n")[:-1] if line.endswith("}")]


def last_evaluation(run_dir: str | Path) -> dict[str, Any]:
    """The last line of metrics.json with results of an evaluator; empty if there is none.

    Detectron2 writes them as "task/metric", such as "bbox/AP"; training losses have no slash.
    """
    evaluations = [m for m in read_metrics(run_dir) if any("/" in key for key in m)]
    return evaluations[-1] if evaluations else {}


def iterations_done(run_dir: str | Path, tail: int = 8192) -> int:
    """Iterations that metrics.json tells of, read from its last `tail` bytes; 0 if it cannot be read."""
    try:
        with Path(run_dir, METRICS).open("rb") as f:
            f.seek(max(0, os.fstat(f.fileno()).st_size - tail))
            found = re.findall(rb'"iteration": (\d+)[,}]', f.read())
    except OSError:
        return 0
    return int(found[-1]) + 1 if found else 0
