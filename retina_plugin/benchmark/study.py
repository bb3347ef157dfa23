"""How much time of a study is neither training nor evaluation: imports, preparation, process starts, report."""

import subprocess
import time
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from ..run_folder import LOG
from ..study.execution.job import RESULT

_BEGIN = "Starting training from iteration"  # in the log of a run
_RESULTS = f"**/seed*/{RESULT}"  # below the folder of a cell, if the study has a grid


def benchmark_study(command: Sequence[str], folder: Path, jobs: int) -> dict[str, float]:
    """Run a study with `command`, which is retina ablate with its arguments; returns its `study_overhead`.

    Raises:
        FileExistsError: if the folder holds finished runs, which would not be trained.
        ChildProcessError: if the study fails.
    """
    if any(folder.glob(_RESULTS)):
        raise FileExistsError(f"{folder} holds runs already: choose another folder")
    start = time.monotonic()
    if subprocess.run(command).returncode:
        raise ChildProcessError(f"the study failed, its runs are in {folder}")
    return study_overhead(folder, jobs, time.monotonic() - start)


def study_overhead(folder: Path, jobs: int, seconds: float) -> dict[str, float]:
    """Times of a study in minutes, and in "overhead" the share, from 0 to 1, that is neither training nor evaluation.

    The total is the `seconds` of the study times the `jobs` that ran at once, without the time in which processes idle
    while the last run ends. Training and evaluation of a run last from the line of its log that announces training to
    the last line, with a resolution of one second; building model and data before is overhead. Runs must not have been
    interrupted.

    Raises:
        ValueError: if no run has ended, or the log of a run does not announce training.
    """
    if not (results := list(folder.glob(_RESULTS))):
        raise ValueError(f"{folder} holds no run that has ended")
    jobs = min(jobs, len(results))
    ends = sorted(path.stat().st_mtime for path in results)
    idle = sum(ends[-1] - end for end in ends[-jobs:])
    training = sum(_training_seconds(path.with_name(LOG)) for path in results)
    available = jobs * seconds - idle
    return {
        "runs": len(results),
        "minutes": seconds / 60,
        "process_minutes": available / 60,
        "training_and_evaluation": training / 60,
        "overhead": 1 - training / available,
    }


def _training_seconds(log: Path) -> float:
    lines = [line for line in log.read_text().splitlines() if line.startswith("[")]
    if not (begins := [line for line in lines if _BEGIN in line]):
        raise ValueError(f"{log} does not say when training began")
    year = datetime.fromtimestamp(log.stat().st_mtime).year  # the lines have no year
    first, last = (datetime.strptime(f"{year}/{x[1:15]}", "%Y/%m/%d %H:%M:%S") for x in (begins[0], lines[-1]))
    if first > last:
        first = first.replace(year=year - 1)
    return (last - first).total_seconds()
