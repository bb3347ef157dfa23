"""Is a resumed run the run that was not interrupted? Bit by bit."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ...config import ConfigError, load_config, quoted
from ...config.walk import leaves
from ...run_folder import (
    CONFIG,
    FINAL_CHECKPOINT,
    LAST_CHECKPOINT,
    METRICS,
    iteration_checkpoint,
    read_metrics,
)
from ..hooks.metrics_state import TIMES

__all__ = ["first_difference", "run_to_the_end", "train_command", "verify_resume"]


def verify_resume(
    config_file: str, iterations: int, folder: str | Path, overrides: Sequence[str] = ()
) -> str:
    """Train `iterations`, train them again from the checkpoint in the middle, and compare.

    Args:
        config_file: to verify; its schedule is shortened to `iterations`.
        iterations: at least 2.
        folder: for the two runs, "whole" and "resumed"; new or empty.
        overrides: `key=value` of both runs.

    Returns:
        The first difference of weights, optimizer, averages, schedule and metrics; empty if there is none.

    Raises:
        ConfigError: for fewer iterations, or for a folder that holds something.
        ChildProcessError: if a training fails, with the last line of its log.
    """
    whole, resumed = Path(folder, "whole"), Path(folder, "resumed")
    if iterations < 2:
        raise ConfigError(f"{iterations} iterations have no middle: take 2 or more")
    if any(path.exists() for path in (whole, resumed)):
        raise ConfigError(f"{folder} holds runs already: choose another folder")
    half = iterations // 2
    shared = [*overrides, f"train.max_iter={iterations}", f"train.checkpointer.period={half}"]
    shared.append("train.checkpointer.max_to_keep=null")
    load_config(config_file, shared)  # one clear error before two trainings
    run_to_the_end(train_command(config_file, whole, shared))
    _interrupt(whole, resumed, f"{iteration_checkpoint(half - 1)}.pth")
    run_to_the_end(train_command(config_file, resumed, [*shared, "--resume"]))
    return first_difference(whole, resumed)


def first_difference(one: str | Path, other: str | Path) -> str:
    """The first thing in which two finished runs differ, times apart; empty if there is none."""
    pairs = [(_state(Path(run, FINAL_CHECKPOINT)), _metrics(Path(run))) for run in (one, other)]
    (ours, our_metrics), (theirs, their_metrics) = pairs
    for key in {**ours, **theirs}:
        if key not in ours or key not in theirs:
            return f"{key} is in the checkpoint of one run only"
        if not _same(ours[key], theirs[key]):
            return f"{key} of the checkpoints: {_describe(ours[key], theirs[key])}"
    if len(our_metrics) != len(their_metrics):
        return f"metrics.json has {len(our_metrics)} and {len(their_metrics)} lines"
    for ours, theirs in zip(our_metrics, their_metrics, strict=True):
        if ours != theirs:
            return f"metrics of iteration {ours['iteration']}: {ours} and {theirs}"
    return ""


def train_command(config_file: str, folder: Path, arguments: Sequence[str]) -> list[str]:
    """The command that trains into a folder; `arguments` are flags and overrides."""
    flags = [a for a in arguments if a.startswith("--")]
    values = [a for a in arguments if not a.startswith("--")]
    command = [sys.executable, "-m", "retina_plugin.engine", "--config-file", config_file]
    return [*command, *flags, f"train.output_dir={quoted(folder)}", *values]


def run_to_the_end(command: list[str]) -> None:
    """Wait for a training.

    Raises:
        ChildProcessError: if it fails, with the last line of its log.
    """
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        lines = (done.stderr.strip() or done.stdout.strip()).splitlines()
        raise ChildProcessError(f"{' '.join(command)} failed: {' '.join(lines[-1:])}")


def _interrupt(whole: Path, resumed: Path, checkpoint: str) -> None:
    """The folder as an interruption leaves it long after the checkpoint in the middle."""
    resumed.mkdir(parents=True)
    for name in (CONFIG, METRICS, checkpoint):
        shutil.copy(whole / name, resumed / name)
    (resumed / LAST_CHECKPOINT).write_text(checkpoint)


def _state(path: Path) -> dict[str, Any]:
    content = leaves(torch.load(path, weights_only=True), into_lists=True)
    return {key: value for key, value in content if not _is_time(key)}


def _is_time(key: str) -> bool:
    return any(part in TIMES for part in key.split("."))


def _same(one: Any, other: Any) -> bool:
    if isinstance(one, Tensor) and isinstance(other, Tensor):
        return one.dtype == other.dtype and one.shape == other.shape and _bits(one) == _bits(other)
    return type(one) is type(other) and repr(one) == repr(other)


def _bits(tensor: Tensor) -> bytes:
    return tensor.contiguous().reshape(-1).view(torch.uint8).numpy().tobytes()


def _describe(one: Any, other: Any) -> str:
    if not isinstance(one, Tensor) or one.shape != other.shape:
        return f"{one} and {other}"
    apart = (one.double() - other.double()).abs()
    return f"{int((apart > 0).sum())} of {one.numel()} values, by up to {apart.max().item():.3g}"


def _metrics(run_dir: Path) -> list[dict[str, Any]]:
    return [{k: v for k, v in line.items() if k not in TIMES} for line in read_metrics(run_dir)]
