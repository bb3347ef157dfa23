"""Trainings in processes of their own."""

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from ..config import quoted


def train_command(
    config_file: str, folder: Path, overrides: Sequence[str], resume: bool = False, num_processes: int = 1
) -> list[str]:
    """The command that trains a config into `folder`, even if overrides set another `train.output_dir`."""
    flags = ["--config-file", config_file, *(["--resume"] if resume else []), "--num-gpus", str(num_processes)]
    return [sys.executable, "-m", "retina_plugin.engine", *flags, *overrides, f"train.output_dir={quoted(folder)}"]


def run_to_the_end(command: list[str]) -> None:
    """Run a command; raises ChildProcessError with the last line of its output if that fails."""
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        lines = (done.stderr.strip() or done.stdout.strip()).splitlines()
        raise ChildProcessError(f"{' '.join(command)} failed: {' '.join(lines[-1:])}")
