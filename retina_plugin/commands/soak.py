"""Kill trainings and studies at random moments, continue them, and compare them with ones that were not killed."""

import itertools
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..engine.reliability.verify import first_difference
from ..run_folder import FINAL_CHECKPOINT, checkpoints
from .trainings import run_to_the_end, train_command

# keys of report.json that do not depend on times and folders
_TOLD = ("verdicts", "rows", "class_rows", "scales", "changes", "num_images")


@dataclass(frozen=True)
class Kill:
    """One kill.

    Attributes:
        seconds: time from the start of the command.
        what: which processes were killed.
        place: progress of the run or study at that time.
        difference: first difference from the result without kill; empty if there is none.
    """

    seconds: float
    what: str
    place: str
    difference: str


def soak(
    config_file: str,
    folder: str | Path,
    kills: int,
    overrides: Sequence[str] = (),
    seed: int = 0,
    num_processes: int = 1,
) -> Iterator[Kill]:
    """Start `kills` trainings of `num_processes`, kill all processes of each with SIGKILL, and resume it to its end.

    `folder` is new or empty, for the runs. `seed` draws the moments, which are uniform over the duration of a training.

    Raises:
        ChildProcessError: if a training fails without being killed, with the last line of its output.
    """

    def command(run: Path) -> list[str]:
        # without a checkpoint there is nothing to resume: the run starts again
        return train_command(config_file, run, overrides, bool(checkpoints(run)), num_processes)

    def place(run: Path) -> str:
        found = checkpoints(run)
        return found[0].name if found else "the start"

    return _soak(command, place, first_difference, Path(folder), kills, random.Random(seed), ["all processes"])


def soak_study(
    study_file: str, folder: str | Path, kills: int, overrides: Sequence[str] = (), seed: int = 0, jobs: int = 2
) -> Iterator[Kill]:
    """As `soak`, for a study with `jobs` runs at once: kills its process alone, or with all processes it has started.

    Then the same command runs again. Differences of the report, or of weights and metrics of a run, are reported.
    """

    def command(output: Path) -> list[str]:
        flags = ["--study", study_file, "--output", str(output), "--jobs", str(jobs), "--num-images", "0"]
        return [sys.executable, "-m", "retina_cli", "ablate", *flags, *overrides]

    def place(output: Path) -> str:
        return f"{len(list(output.glob(f'*/*/{FINAL_CHECKPOINT}')))} finished runs"

    whats = ["all processes", "the study alone"]
    return _soak(command, place, _difference_of_studies, Path(folder), kills, random.Random(seed), whats)


def _soak(
    command: Callable[[Path], list[str]],
    place: Callable[[Path], str],
    difference: Callable[[Path, Path], str],
    folder: Path,
    kills: int,
    rng: random.Random,
    whats: Sequence[str],
) -> Iterator[Kill]:
    whole = folder / "whole"
    start = time.monotonic()
    run_to_the_end(command(whole))
    duration = time.monotonic() - start
    done = 0
    for attempt in itertools.count():
        output, moment, what = folder / f"kill{attempt:02d}", rng.uniform(0, duration), rng.choice(whats)
        if not _kill_after(moment, command(output), everything=what == whats[0]):
            duration = moment  # it had ended before, so this attempt does not count
            continue
        where = place(output)
        run_to_the_end(command(output))
        yield Kill(moment, what, where, difference(whole, output))
        if (done := done + 1) == kills:
            return


def _kill_after(seconds: float, command: list[str], everything: bool) -> bool:
    """Run a command and kill it after `seconds`, with its descendants if `everything`; False if it ended before."""
    nowhere = subprocess.DEVNULL
    with subprocess.Popen(command, stdout=nowhere, stderr=nowhere, start_new_session=True) as process:
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            for pid in [process.pid, *(_descendants(process.pid) if everything else [])]:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            return True
    return False


def _descendants(pid: int) -> list[int]:
    """Ids of the processes that a process has started, directly or indirectly."""
    table = subprocess.run(["ps", "-A", "-o", "pid=,ppid="], capture_output=True, text=True, check=True).stdout
    parents = {int(child): int(parent) for child, parent in (line.split() for line in table.splitlines())}
    found = [child for child, parent in parents.items() if parent == pid]
    return found + [grandchild for child in found for grandchild in _descendants(child)]


def _difference_of_studies(whole: Path, other: Path) -> str:
    reports: list[dict[str, Any]] = [json.loads((study / "report.json").read_text()) for study in (whole, other)]
    for key in _TOLD:
        if reports[0][key] != reports[1][key]:
            return f"{key} of the reports: {reports[0][key]} and {reports[1][key]}"
    runs = [path.parent.relative_to(whole) for path in whole.glob(f"*/*/{FINAL_CHECKPOINT}")]
    return next((f"{run}: {found}" for run in runs if (found := first_difference(whole / run, other / run))), "")
