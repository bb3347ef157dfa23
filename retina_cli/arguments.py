"""Arguments that several commands share, and the definition of a command."""

import argparse
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

_OVERRIDE = re.compile(r"\+?[A-Za-z_][\w.\-]*=")
Run = Callable[[argparse.Namespace], Any]


@dataclass(frozen=True)
class Command:
    """One command.

    Attributes:
        name: as in `retina NAME`.
        group: heading under which `retina --help` lists it.
        example: its arguments in an example.
        add_arguments: fills the parser.
        run: runs the command; imports what it needs. Its docstring says what the command does.
        has_overrides: whether it takes key=value.
        check: returns what is wrong with the combination of arguments; empty if nothing is.
        trains: whether it trains detectors, for which tcmalloc is used where that is installed.
    """

    name: str
    group: str
    example: str
    add_arguments: Callable[[argparse.ArgumentParser], Any]
    run: Run
    has_overrides: bool = False
    check: Callable[[argparse.Namespace], str] = lambda args: ""
    trains: bool = False

    @property
    def help(self) -> str:
        """What it does, in one line: the docstring of `run`, without its capital letter and full stop."""
        text = " ".join((self.run.__doc__ or "").split())
        return text[:1].lower() + text[1:].removesuffix(".")


def command(
    name: str, group: str, example: str, add_arguments: Callable[[argparse.ArgumentParser], Any], **settings: Any
) -> Callable[[Run], Command]:
    """Turn a function that runs a command into that `Command`; the arguments are its attributes."""
    return lambda run: Command(name, group, example, add_arguments, run, **settings)


def parse(command: Command, prog: str, argv: Sequence[str]) -> argparse.Namespace:
    """The arguments of a command line; ends the process for help, or arguments that do not fit."""
    epilog = f"example:\n  {prog} {command.example}"
    parser = argparse.ArgumentParser(
        prog, description=command.help, epilog=epilog, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    command.add_arguments(parser)
    args = parse_with_overrides(parser, argv) if command.has_overrides else parser.parse_args(argv)
    if problem := command.check(args):
        parser.error(problem)
    return args


def parse_with_overrides(parser: argparse.ArgumentParser, argv: Sequence[str]) -> argparse.Namespace:
    """Parse a command line that contains key=value overrides; they become `opts`.

    argparse alone would give an override to a flag that takes several values, as in `--seeds 0 1 train.max_iter=60`.
    """
    parser.add_argument(
        "opts", nargs="*", metavar="key=value", help="overrides of the config, such as train.max_iter=120"
    )
    overrides = [word for word in argv if _OVERRIDE.match(word)]
    args = parser.parse_intermixed_args([word for word in argv if word not in overrides])
    args.opts += overrides  # anything else in opts is rejected by load_config
    return args


def at_least(least: int) -> Callable[[str], int]:
    """The argparse type of an integer that is `least` or more."""

    def integer(text: str) -> int:
        if (value := int(text)) < least:
            raise argparse.ArgumentTypeError(f"must be {least} or more, got {value}")
        return value

    return integer


def share(text: str) -> float:
    """The argparse type of a number from 0 to 1, such as a score."""
    value = float(text)
    if not 0 <= value <= 1:  # also refuses nan
        raise argparse.ArgumentTypeError(f"must be from 0 to 1, got {text}")
    return value


def add_trust_flags(parser: argparse.ArgumentParser) -> None:
    """Add the flags that say what a run folder's config may use besides parts of detectors; they fill `trust`."""
    parser.add_argument(
        "--trust-module", dest="trust", action="append", default=[], metavar="NAME",
        help="allow the config to use classes and functions of this module; may be repeated",
    )  # fmt: skip
    parser.add_argument(
        "--trust",
        action="append_const",
        const="*",
        help="allow the config to use anything, as if you ran a program of its author",
    )
