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

_EPILOG = """
examples:
  train      %(prog)s --config-file configs/quick/retinanet_tiny_synthetic.py
  override   %(prog)s --config-file ... model.cls_loss='${losses.softmax_ce}' train.max_iter=300
  continue   %(prog)s --config-file ... --resume
  evaluate   %(prog)s --config-file ... --eval-only train.init_checkpoint=RUN/model_final.pth
"""

_OVERRIDE = re.compile(r"\+?[A-Za-z_][\w.\-]*=")


def train_net(argv: Sequence[str] | None = None) -> None:
    """Train or evaluate a config; ends the process."""
    parser = default_argument_parser(epilog=_EPILOG)
    parser.set_defaults(config_file=None)
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
    """Train or evaluate as the flags of `train_net` say.

    `remarks` says what is unusual about a config before its training. As processes of the training import it, it must
    be a function of a module.

    Raises:
        ConfigError: as `launch_training`.
    """
    if args.leave_with_parent:
        terminate_when_stdin_closes()
    for number in (signal.SIGTERM, signal.SIGINT):
        atexit.register(signal.signal, number, signal.SIG_IGN)  # a training that has ended does not end by a signal
    launch_training(functools.partial(main, remarks=remarks), args)


def parse_with_overrides(parser: argparse.ArgumentParser, argv: Sequence[str] | None = None) -> argparse.Namespace:
    """Parse a command line that contains key=value overrides; they become `opts`.

    argparse alone would take an override for a value of a flag with several, as in `--seeds 0 1 train.max_iter=60`.
    """
    parser.add_argument("opts", nargs="*", metavar="key=value", help="overrides of the config")
    words = sys.argv[1:] if argv is None else list(argv)
    overrides = [word for word in words if _OVERRIDE.match(word)]
    args = parser.parse_intermixed_args([word for word in words if word not in overrides])
    args.opts += overrides  # anything else in opts is rejected by load_config
    return args


def add_trust_flags(parser: argparse.ArgumentParser) -> None:
    """Add the flags that say what a run folder's config may use besides parts of detectors; they fill `trust`."""
    parser.add_argument(
        "--trust-module", dest="trust", action="append", default=[], metavar="NAME",
        help="the config may use classes and functions of this module; may be repeated",
    )  # fmt: skip
    parser.add_argument(
        "--trust",
        action="append_const",
        const="*",
        help="the config may use anything, like a program of its author",
    )


def exit_with(command: Callable[[], Any]) -> NoReturn:
    """Run a command and end the process: with status 0, or for invalid input 1 and one line on standard error."""
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
        return lines[-1]  # an error from another process contains its traceback
    return " ".join(lines)
