"""Trainings in processes of their own."""

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from ..config import quoted


def train_command(config_file: str, folder: Path, overrides: Sequence[str], resume: bool = False) -> list[str]:
    """The command that trains a config into a folder."""
    flags = ["--config-file", config_file, *(["--resume"] if resume else [])]
    return [sys.executable, "-m", "retina_plugin.engine", *flags, f"train.output_dir={quoted(folder)}", *overrides]


def train_to_the_end(config_file: str, folder: Path, overrides: Sequence[str], resume: bool = False) -> None:
    """Train a config into a folder; raises ChildProcessError with the last line of output if that fails."""
    command = train_command(config_file, folder, overrides, resume)
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        lines = (done.stderr.strip() or done.stdout.strip()).splitlines()
        raise ChildProcessError(f"{' '.join(command)} failed: {' '.join(lines[-1:])}")
