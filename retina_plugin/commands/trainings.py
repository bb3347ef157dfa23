"""Trainings in processes of their own."""

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from ..config import quoted


def train_command(config_file: str, folder: Path, arguments: Sequence[str]) -> list[str]:
    """The command that trains a config into a folder; `arguments` are flags and overrides."""
    flags = [a for a in arguments if a.startswith("--")]
    values = [a for a in arguments if not a.startswith("--")]
    command = [sys.executable, "-m", "retina_plugin.engine", "--config-file", config_file]
    return [*command, *flags, f"train.output_dir={quoted(folder)}", *values]


def run_to_the_end(command: list[str]) -> None:
    """Run a training and wait for its end.

    Raises:
        ChildProcessError: if it fails, with the last line of its output.
    """
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        lines = (done.stderr.strip() or done.stdout.strip()).splitlines()
        raise ChildProcessError(f"{' '.join(command)} failed: {' '.join(lines[-1:])}")
