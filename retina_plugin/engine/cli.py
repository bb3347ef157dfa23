"""The command line of training, with Detectron2's flags, and how commands end."""

from __future__ import annotations

import argparse
import gc
import os
import re
import sys
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

from detectron2.engine import default_argument_parser
from omegaconf.errors import OmegaConfBaseException
from torch.multiprocessing import ProcessRaisedException

from .launching import launch_training
from .reliability.signals import terminate_when_stdin_closes
from .train import main

_EPILOG = """
examples:
  train      %(prog)s --config-file configs/quick/retinanet_tiny_synthetic.py
  override   %(prog)s --config-file ... model.cls_loss='${losses.softmax_ce}' train.max_iter=300
  go on      %(prog)s --config-file ... --resume
  evaluate   %(prog)s --config-file ... --eval-only train.init_checkpoint=RUN/model_final.pth
"""

_OVERRIDE = re.compile(r"\+?[A-Za-z_][\w.\-]*=")

# What input that cannot be used ends in; anything else is a defect and shows its traceback.
_EXPECTED = (
    ValueError,
    OSError,
    FloatingPointError,
    OmegaConfBaseException,
    ProcessRaisedException,
)


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
    if args.leave_with_parent:
        terminate_when_stdin_closes()
    exit_with(lambda: launch_training(main, args))


def parse_with_overrides(
    parser: argparse.ArgumentParser, argv: Sequence[str] | None = None
) -> argparse.Namespace:
    """Parse a command line that ends in, or contains, key=value overrides; they come as `opts`.

    argparse alone counts them to the values of a flag that takes several, such as `--seeds 0 1 train.max_iter=60`.
    """
    parser.add_argument("opts", nargs="*", metavar="key=value", help="overrides of the config")
    words = sys.argv[1:] if argv is None else list(argv)
    overrides = [word for word in words if _OVERRIDE.match(word)]
    args = parser.parse_intermixed_args([word for word in words if word not in overrides])
    args.opts += overrides  # before them only what is no override, which load_config refuses
    return args


def exit_with(command: Callable[[], Any]) -> NoReturn:
    """Run a command and end the process: 0, or 1 with one line for input that cannot be used.

    Set RETINA_PLUGIN_TRACEBACK=1 to see where an error comes from.
    """
    try:
        command()
    except KeyboardInterrupt:
        sys.exit(130)
    except _EXPECTED as e:
        if os.environ.get("RETINA_PLUGIN_TRACEBACK"):
            raise
        print(f"error: {_one_line(e)}", file=sys.stderr)
        sys.exit(1)
    finally:
        gc.freeze()  # nothing looks through all that torch has loaded once more: a second at the end
    sys.exit(0)


def _one_line(error: Exception) -> str:
    lines = [line.strip() for line in str(error).strip().splitlines()]
    if any("Traceback" in line for line in lines):
        return lines[-1]  # other processes wrap an error into its traceback
    return " ".join(lines)
