"""Verify that a resumed run is bit-identical to one without interruption."""

import shutil
from collections.abc import Sequence
from pathlib import Path

from ..config import ConfigError, load_config
from ..engine.reliability.verify import first_difference
from ..run_folder import CONFIG, LAST_CHECKPOINT, METRICS, iteration_checkpoint
from .trainings import run_to_the_end, train_command


def verify_resume(config_file: str, iterations: int, folder: str | Path, overrides: Sequence[str] = ()) -> str:
    """Train for `iterations`, repeat the second half from the checkpoint in the middle, and compare.

    `folder` is new or empty, for the two runs "whole" and "resumed".

    Returns:
        The first difference of weights, optimizer, averages, schedule and metrics; an empty string if there is none.

    Raises:
        ConfigError: for fewer than 2 iterations, or if the folder already holds runs.
        ChildProcessError: if a training fails, with the last line of its output.
    """
    whole, resumed = Path(folder, "whole"), Path(folder, "resumed")
    if iterations < 2:
        raise ConfigError(f"{iterations} iterations have no middle: use 2 or more")
    if any(path.exists() for path in (whole, resumed)):
        raise ConfigError(f"{folder} holds runs already: choose another folder")
    half = iterations // 2
    schedule = {"max_iter": iterations, "checkpointer.period": half, "checkpointer.max_to_keep": "null"}
    shared = [*overrides, *(f"train.{key}={value}" for key, value in schedule.items())]
    load_config(config_file, shared)  # one clear error before two trainings
    run_to_the_end(train_command(config_file, whole, shared))
    # as if a run had been interrupted at its end, with only the checkpoint from its middle
    resumed.mkdir(parents=True)
    checkpoint = f"{iteration_checkpoint(half - 1)}.pth"
    for name in (CONFIG, METRICS, checkpoint):
        shutil.copy(whole / name, resumed / name)
    (resumed / LAST_CHECKPOINT).write_text(checkpoint, encoding="utf-8")
    run_to_the_end(train_command(config_file, resumed, shared, resume=True))
    return first_difference(whole, resumed)
