"""The entry point `retina`, and that of the scripts in tools/."""

import argparse
import os
import sys
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from difflib import get_close_matches
from itertools import groupby
from pathlib import Path
from typing import NoReturn

from .analyzing import ANALYZING
from .arguments import Command, parse
from .checking import CHECKING
from .labels import LABELS
from .late_compiler import import_torchvision
from .looking import LOOKING
from .measuring import MEASURING
from .studying import STUDYING
from .tcmalloc import use_tcmalloc
from .training import TRAINING

_ALL = (*TRAINING, *LOOKING, *CHECKING, *ANALYZING, *LABELS, *STUDYING, *MEASURING)
COMMANDS = {command.name: command for command in _ALL}
# warnings of torch and detectron2 about their own code
_NOT_FOR_USERS = ("`torch.jit.script` is deprecated", "torch.meshgrid", "The given NumPy array is not writable")
_OUTPUTS = ("output", "output_dir", "folder", "sweep")  # flags that name a folder or a file to write


def main(argv: Sequence[str] | None = None) -> NoReturn:
    """Run `retina COMMAND ...`; ends the process."""
    name, *rest = list(sys.argv[1:] if argv is None else argv) or ["--help"]
    if name in ("-h", "--help"):
        print(overview())
        sys.exit(0)
    if name not in COMMANDS:
        near = "".join(f"; did you mean {x}? " for x in get_close_matches(name, COMMANDS, n=1)) or ": "
        sys.exit(f"error: there is no command {name!r}{near}`retina --help` lists them")
    run(COMMANDS[name], f"retina {name}", rest)


def run_tool(name: str) -> NoReturn:
    """Run a command with the arguments of a script; ends the process."""
    run(COMMANDS[name], Path(sys.argv[0]).name, sys.argv[1:])


def run(command: Command, prog: str, argv: Sequence[str]) -> NoReturn:
    """Parse the arguments of a command and run it; ends the process with its status."""
    args = parse(command, prog, argv)
    for message in _NOT_FOR_USERS:
        warnings.filterwarnings("ignore", message)
    if command.trains:
        use_tcmalloc(argv)
    import_torchvision()
    from retina_plugin.engine.cli import exit_with

    def work() -> None:
        with _no_empty_folders(args):
            command.run(args)

    exit_with(work)


@contextmanager
def _no_empty_folders(args: argparse.Namespace) -> Iterator[None]:
    """Remove what a command that fails within the context leaves empty: new folders of its output, and new parents."""
    given = [Path(value).absolute() for flag in _OUTPUTS if (value := getattr(args, flag, None))]
    outputs = [path for path in given if not os.path.exists(path)]
    parents = [folder for path in outputs for folder in path.parents if not os.path.exists(folder)]
    try:
        yield
    except BaseException:
        inside = [folder for path in outputs for folder, _, _ in os.walk(path, topdown=False)]
        for folder in (*inside, *parents):
            with suppress(OSError):  # it is not empty, or was never made
                os.rmdir(folder)
        raise


def overview() -> str:
    """What `retina --help` prints: every command by group, with an example."""
    lines = ["usage: retina COMMAND [arguments], and retina COMMAND --help for one command"]
    for group, commands in groupby(COMMANDS.values(), key=lambda command: command.group):
        lines += ["", f"{group}:"]
        for command in commands:
            lines += [f"  {command.name:20}{command.help}", f"  {'':20}retina {command.name} {command.example}"]
    return "\n".join(lines)
