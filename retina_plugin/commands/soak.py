"""Kill trainings at random moments, resume them, and compare them with one that was not killed."""

import os
import random
import signal
import subprocess
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..engine.reliability.verify import first_difference
from ..run_folder import checkpoints
from .trainings import train_command, train_to_the_end


@dataclass(frozen=True)
class Kill:
    """One killed run: after how many seconds, the checkpoint it resumed from, and its difference from the whole run."""

    seconds: float
    resumed_from: str
    difference: str


def soak(
    config_file: str, folder: str | Path, kills: int, overrides: Sequence[str] = (), seed: int = 0
) -> Iterator[Kill]:
    """Start `kills` trainings, kill each with SIGKILL at a random moment, and resume it to its end.

    `folder` is new or empty, for the runs. `seed` is that of the moments, which are uniform between the start of a
    process and its end.

    Raises:
        ChildProcessError: if a training fails without being killed, with the last line of its output.
    """
    rng, whole = random.Random(seed), Path(folder, "whole")
    start = time.monotonic()
    train_to_the_end(config_file, whole, overrides)
    duration = time.monotonic() - start
    for i in range(kills):
        run, moment = Path(folder, f"kill{i:02d}"), rng.uniform(0, duration)
        _kill_after(moment, train_command(config_file, run, overrides))
        found = checkpoints(run)
        # without a checkpoint there is nothing to resume: the run starts again
        train_to_the_end(config_file, run, overrides, resume=bool(found))
        name = found[0].name if found else "the start"
        yield Kill(moment, name, first_difference(whole, run))


def _kill_after(seconds: float, command: list[str]) -> None:
    # in its own session, so that the processes that load images are killed too
    nowhere = subprocess.DEVNULL
    with subprocess.Popen(command, stdout=nowhere, stderr=nowhere, start_new_session=True) as process:
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
