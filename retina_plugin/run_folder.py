"""The files of a run folder, and one function to read each."""

import json
import logging
import os
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from omegaconf import DictConfig

from .config import ConfigError, load_config
from .config.device import default_device, why_unavailable
from .printable import nearby
from .reading import read_name
from .weights import CheckpointError

logger = logging.getLogger(__name__)

CONFIG = "config.yaml"
METRICS = "metrics.json"  # one json object per line
IMBALANCE = "imbalance.jsonl"  # one json object per line, with train.imbalance_period
LOG = "log.txt"
REPORT = "report.html"
DETECTIONS = "inference/coco_instances_results.json"  # of the last evaluation
FINAL_CHECKPOINT = "model_final.pth"
LAST_CHECKPOINT = "last_checkpoint"  # names the checkpoint to resume from
CLIPPED = "clipped_steps"  # in metrics.json, with train.clip_grad_norm: number of updates clipped so far
_OF_DETECTION = {"image_id", "category_id", "bbox", "score"}
_LARGEST = 1e300  # upper limit of numbers in a file, so that their sums stay finite
_TAIL = 8192  # bytes
_FILE_NAME = re.compile(r"[\w][\w .+-]{0,250}")


def read_config(run_dir: str | Path, overrides: Sequence[str] = (), trust: Sequence[str] = ()) -> DictConfig:
    """The config of a run with `key=value` overrides. A recorded device that this machine lacks becomes its default.

    The folder may come from someone else, so its config may refer only to parts of detectors, data and training, and
    to the modules that `trust` lists.

    Raises:
        ConfigError: if the folder or its config.yaml does not exist, if the config refers to anything else, or if an
            override does not fit.
    """
    if Path(run_dir).is_file():
        raise ConfigError(f"{run_dir} is a file: name the run folder that it is in")
    if not Path(run_dir).is_dir():
        raise ConfigError(f"run folder {run_dir} does not exist{nearby(run_dir)}")
    if not Path(run_dir, CONFIG).is_file():
        raise ConfigError(f"{run_dir} is not a run folder, the train.output_dir of a training: it has no {CONFIG}")
    cfg = load_config(Path(run_dir, CONFIG), overrides, trust)
    chosen = any(override.startswith("train.device=") for override in overrides)
    if cfg.train.device != "auto" and not chosen and why_unavailable(cfg.train.device):
        logger.warning("%s of %s is not available: using %s", cfg.train.device, run_dir, default_device())
        cfg.train.device = default_device()
    return cfg


def iteration_checkpoint(iteration: int) -> str:
    """File name, without its suffix, of the checkpoint saved after `iteration`, which counts from 0."""
    return f"model_{iteration:07d}"


def iteration_checkpoints(run_dir: str | Path) -> list[Path]:
    """The checkpoints written during training, oldest first."""
    return sorted(path for path in Path(run_dir).glob("model_" + "[0-9]" * 7 + ".pth") if path.is_file())


def checkpoints(run_dir: str | Path) -> list[Path]:
    """The checkpoints of a run folder, newest first, beginning with the one that `last_checkpoint` names."""
    folder = Path(run_dir)
    final = folder / FINAL_CHECKPOINT
    found = [final] * final.is_file() + iteration_checkpoints(folder)[::-1]
    tagged = folder / read_name(folder / LAST_CHECKPOINT, _FILE_NAME)
    if tagged in found:
        return found[found.index(tagged) :]
    return [tagged, *found] if tagged.is_file() else found


def find_weights(run_dir: str | Path) -> Path:
    """The checkpoint to use a run with: the final, or else the newest one. Raises CheckpointError if there is none."""
    if found := checkpoints(run_dir):
        return found[0]
    raise CheckpointError(f"run folder {run_dir} holds no checkpoint: train it first")


def read_metrics(run_dir: str | Path) -> list[dict[str, Any]]:
    """The lines of metrics.json, without an incomplete last line; an empty list if there is no such file.

    Damaged lines are left out, with a warning that names the file.
    """
    return _read_lines(Path(run_dir, METRICS), parse_metrics)


def read_imbalance(run_dir: str | Path) -> list[dict[str, Any]]:
    """The lines of imbalance.jsonl, each from `evaluation.imbalance.imbalance_record`; else as `read_metrics`."""
    return _read_lines(Path(run_dir, IMBALANCE), parse_imbalance)


def _read_lines(path: Path, parse: Callable[[bytes], dict[str, Any] | None]) -> list[dict[str, Any]]:
    complete = path.read_bytes().split(b"\n")[:-1] if path.is_file() else []
    lines = [parse(line) for line in complete]
    if damaged := lines.count(None):
        logger.warning("%s: %d damaged lines are ignored", path, damaged)
    return [line for line in lines if line is not None]


def parse_metrics(line: bytes) -> dict[str, Any] | None:
    """The metrics of a line of metrics.json by name; None if the line is damaged."""
    content = _parse_line(line)
    return content if content and all(isinstance(v, int | float) for v in content.values()) else None


def parse_imbalance(line: bytes) -> dict[str, Any] | None:
    """A line of imbalance.jsonl; None if it is damaged."""
    content = _parse_line(line)
    if content is None or not _is_amount(content["iteration"]):
        return None
    tables = [content.get(name) for name in ("background", "foreground", "sizes", "classes")]
    counts = content.get("p_t")
    is_whole = all(_is_table(table, 3) for table in tables) and list(tables[0]) == list(tables[1])
    is_counted = _is_table(counts, 40) and list(counts) == ["background", "foreground"]
    return content if is_whole and is_counted else None


def _is_table(value: Any, width: int) -> bool:
    """Whether `value` maps names to lists of `width` non-negative numbers."""
    rows = value.values() if isinstance(value, dict) else [None]
    return all(isinstance(r, list) and len(r) == width and all(map(_is_amount, r)) for r in rows)


def _is_amount(value: Any) -> bool:
    return isinstance(value, int | float) and 0 <= value < _LARGEST


def _parse_line(line: bytes) -> dict[str, Any] | None:
    """The json object in a line; None if it is damaged or has no integer "iteration"."""
    try:
        content = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return content if isinstance(content, dict) and type(content.get("iteration")) is int else None


def last_evaluation(run_dir: str | Path) -> dict[str, Any]:
    """The last line of metrics.json that holds results of an evaluator; empty if there is none.

    Detectron2 writes them as "task/metric", such as "bbox/AP"; training losses have no slash.
    """
    newest_first = reversed(read_metrics(run_dir))
    return next((line for line in newest_first if any("/" in key for key in line)), {})


def read_detections(run_dir: str | Path) -> list[dict[str, Any]]:
    """The detections of the last evaluation, in COCO's result format.

    Raises:
        FileNotFoundError: if there are none.
        ValueError: if their file is damaged.
    """
    path = Path(run_dir, DETECTIONS)
    if not path.is_file():
        raise FileNotFoundError(f"{run_dir} has no {DETECTIONS}")
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except RecursionError:
        found = None
    if not isinstance(found, list) or not all(isinstance(d, dict) and d.keys() >= _OF_DETECTION for d in found):
        raise ValueError(f"{path} does not hold detections in COCO's result format")
    return found


def is_finished(run_dir: str | Path, max_iter: int) -> bool:
    """Whether a run has trained for `max_iter` iterations, and saved and evaluated its final checkpoint."""
    is_evaluated = last_evaluation(run_dir).get("iteration") == max_iter
    return is_evaluated and Path(run_dir, FINAL_CHECKPOINT).is_file()


def iterations_done(run_dir: str | Path) -> int:
    """Number of iterations that metrics.json records, from its last 8 KiB; 0 if it cannot be read."""
    path = Path(run_dir, METRICS)
    if not path.is_file():
        return 0
    try:
        with path.open("rb") as f:
            f.seek(max(0, os.fstat(f.fileno()).st_size - _TAIL))
            found = re.findall(rb'"iteration": (\d+)[,}]', f.read())
    except OSError:
        return 0
    return max(map(int, found)) + 1 if found else 0  # metrics that are not written in every iteration may come late
