"""Does a run survive being killed at any moment? Kills it, resumes it, compares it with one that nobody killed."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from ...run_folder import checkpoints
from .verify import first_difference, run_to_the_end, train_command

__all__ = ["Kill", "soak"]


@dataclass(frozen=True)
class Kill:
    """One run: seconds after its start when it was killed, where it went on, and how it differs in the end."""

    seconds: float
    resumed_from: str
    difference: str


def soak(
    config_file: str, folder: str | Path, kills: int, overrides: Sequence[str] = (), seed: int = 0
) -> Iterator[Kill]:
    """Kill a training with SIGKILL at `kills` random moments, each in a run of its own that is then resumed.

    Args:
        config_file: what to train.
        folder: for the runs; new or empty.
        kills: how many runs.
        overrides: `key=value` of all runs.
        seed: of the moments, which lie anywhere between the start of the process and its end.

    Raises:
        ChildProcessError: if a training fails by itself, with the last line of its log.
    """
    rng, whole = random.Random(seed), Path(folder, "whole")
    start = time.monotonic()
    run_to_the_end(train_command(config_file, whole, overrides))
    duration = time.monotonic() - start
    for i in range(kills):
        run, moment = Path(folder, f"kill{i:02d}"), rng.uniform(0, duration)
        _kill_after(moment, train_command(config_file, run, overrides))
        found = checkpoints(run)
        # a folder without a checkpoint has nothing to resume: the run begins again
        run_to_the_end(
            train_command(config_file, run, [*overrides, *(["--resume"] if found else [])])
        )
        name = found[0].name if found else "the start"
        yield Kill(moment, name, first_difference(whole, run))


def _kill_after(seconds: float, command: list[str]) -> None:
    # a session of its own, so that the workers that load images are killed too
    with subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    ) as process:
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
