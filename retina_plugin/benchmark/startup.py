"""Time from the command of a training to its first iterations."""

import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from functools import partial

from ..config import ConfigError
from .pairs import Times, seconds_of, summary_of

_LIBRARIES = "import torch, torchvision, detectron2.engine, detectron2.evaluation"
_IMPORTS = {
    "libraries": _LIBRARIES,
    "without compiler": f"from retina_cli.late_compiler import import_torchvision; import_torchvision(); {_LIBRARIES}",
}
_MOMENTS = {"first iteration begins": "Starting training from iteration", "first iteration ends": " iter: "}


def benchmark_startup(config_file: str, repeats: int, overrides: Sequence[str] = ()) -> Times:
    """Seconds from the command `retina train` until its first iteration begins and ends.

    `libraries` is a process that only imports torch, torchvision and Detectron2's trainer and evaluators; `without
    compiler` imports them as commands do, without torch's compiler. All are started in turn. The first round, which
    reads files from the disk, is not counted.

    Raises:
        ConfigError: if the training ends before its first iteration has ended.
    """
    rounds = []
    for _ in range(repeats + 1):
        rounds.append({name: _run(code) for name, code in _IMPORTS.items()} | _start(config_file, overrides))
    return summary_of(rounds[1:])


def _run(code: str) -> float:
    return seconds_of(partial(subprocess.run, [sys.executable, "-W", "ignore", "-c", code], check=True))


def _start(config_file: str, overrides: Sequence[str]) -> dict[str, float]:
    """Seconds until the `_MOMENTS` of a training, which is terminated after the last one."""
    moments: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as folder:
        short = ["train.log_period=1", "train.max_iter=2", f"train.output_dir={folder}/run"]
        command = [sys.executable, "-m", "retina_cli", "train", "--config-file", config_file, *overrides, *short]
        start, said = time.perf_counter(), ""
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
            for line in process.stdout or ():
                said = line.strip() or said
                for name, sign in _MOMENTS.items():
                    if sign in line:
                        moments.setdefault(name, time.perf_counter() - start)
                if len(moments) == len(_MOMENTS):
                    process.terminate()
                    break
            process.communicate()
    if len(moments) < len(_MOMENTS):
        raise ConfigError(f"the training of {config_file} ended before its first iteration: {said[-300:]}")
    return moments
