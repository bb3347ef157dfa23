"""Parts of commands that messages print to be pasted into a shell."""

import re
import shlex
from pathlib import Path

from ..config import quoted
from ..run_folder import CONFIG, FINAL_CHECKPOINT, checkpoints

_PLAIN = re.compile(r"[\w.+-]*/[\w./+-]*", re.ASCII)  # a path that an override holds without quotes


def word(value: str | Path) -> str:
    """One word of a command, in quotes if the shell needs them."""
    return shlex.quote(str(value))


def of_run(run_dir: str | Path) -> str:
    """The flags with which `retina train` goes on in a run folder, whatever folder its config names."""
    return f"--config-file {word(Path(run_dir, CONFIG))} {_override('train.output_dir', run_dir)}"


def evaluating(run_dir: str | Path) -> str:
    """The flags with which `retina train` evaluates the newest checkpoint of a run folder."""
    newest = next(iter(checkpoints(run_dir)), Path(run_dir, FINAL_CHECKPOINT))
    return f"{of_run(run_dir)} --eval-only {_override('train.init_checkpoint', newest)}"


def _override(key: str, path: str | Path) -> str:
    text = str(path)
    if not _PLAIN.fullmatch(text):
        text = quoted(text) if '"' in text or "\\" in text else f'"{text}"'  # a shell quotes double quotes better
    return word(f"{key}={text}")
