"""The command line of training, with Detectron2's flags; exit status and error line of all commands."""

import argparse
import atexit
import functools
import gc
import re
import signal
import sys
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

from detectron2.engine import default_argument_parser

from .launching import launch_training
from .logs import EXPECTED_ERRORS, show_tracebacks, use_utf8
from .reliability.memory_errors import is_out_of_memory
from .reliability.signals import terminate_when_stdin_closes
from .train import Remarks, main


def train_net(argv: Sequence[str] | None = None) -> None:
    """Train or evaluate a config; ends the process."""
    parser = default_argument_parser(epilog="`retina train` does the same, and examines config and data before.")
    parser.set_defaults(config_file=None, dist_url="auto")
    parser.add_argument(
        "--leave-with-parent",
        action="store_true",
        help="save a checkpoint and stop when standard input closes: for programs that start trainings",
    )
    args = parser.parse_args(argv)
    if args.config_file is None:
        parser.error("--config-file is missing")
    exit_with(lambda: start_training(args))


def start_training(args: argparse.Namespace, remarks: Remarks | None = None) -> None:
    """Train or evaluate according to the flags of `train_net`.

    `remarks` returns warnings about a config before its training. It must be a module-level function, because the
    processes of the training import it.

    Raises:
        ConfigError, ChildProcessError: as `launch_training`.
    """
    if args.leave_with_parent:
        terminate_when_stdin_closes()
    for number in (signal.SIGTERM, signal.SIGINT):
        atexit.register(signal.signal, number, signal.SIG_IGN)  # no signal may change the exit status any more
    launch_training(functools.partial(main, remarks=remarks) if remarks else main, args)


def exit_with(command: Callable[[], Any]) -> NoReturn:
    """Run a command and end the process with status 0.

    Invalid input or a lack of memory gives status 1 and an interrupt 130, each with one line on standard error.
    """
    use_utf8()
    try:
        command()
    except KeyboardInterrupt:
        print("error: interrupted", file=sys.stderr)
        sys.exit(130)
    except EXPECTED_ERRORS as e:
        if show_tracebacks():
            raise
        print(f"error: {_one_line(e)}", file=sys.stderr)
        sys.exit(1)
    except (MemoryError, RuntimeError) as e:
        if show_tracebacks() or not is_out_of_memory(e):
            raise
        print(f"error: out of memory: {_one_line(e)[:200]}", file=sys.stderr)
        sys.exit(1)
    finally:
        gc.freeze()  # a last garbage collection would take a second
    sys.exit(0)


def _one_line(error: Exception) -> str:
    if isinstance(error, UnicodeEncodeError):
        return f"this locale cannot encode {error.object[:80]!r}, such as a file's name: set PYTHONUTF8=1"
    lines = [line.strip() for line in str(error).strip().splitlines()]
    if any("Traceback" in line for line in lines):
        # an error from another process contains its traceback, whose last line begins with the class
        return re.sub(r"^retina_plugin\.[\w.]+: ", "", lines[-1])
    return " ".join(lines)
