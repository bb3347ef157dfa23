"""The command line of training, with Detectron2's flags, and how commands end."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

import torch
from detectron2.engine import default_argument_parser, launch

from ..config import ConfigError
from .train import main

_EPILOG = """
examples:
  train      %(prog)s --config-file configs/quick/retinanet_tiny_synthetic.py
  override   %(prog)s --config-file ... model.cls_loss='${losses.softmax_ce}' train.max_iter=300
  go on      %(prog)s --config-file ... --resume
  evaluate   %(prog)s --config-file ... --eval-only train.init_checkpoint=RUN/model_final.pth
"""


def train_net(argv: Sequence[str] | None = None) -> None:
    """Train or evaluate a config; ends the process."""
    parser = default_argument_parser(epilog=_EPILOG)
    parser.set_defaults(config_file=None)
    args = parser.parse_args(argv)
    if args.config_file is None:
        parser.error("--config-file is missing")
    exit_with(lambda: _launch(args))


def exit_with(command: Callable[[], Any]) -> NoReturn:
    """Run a command and end the process: 0, or 1 with one line for input that cannot be used.

    Set RETINA_PLUGIN_TRACEBACK=1 to see where an error comes from.
    """
    try:
        command()
    except KeyboardInterrupt:
        sys.exit(130)
    except (ValueError, OSError, FloatingPointError) as e:
        if os.environ.get("RETINA_PLUGIN_TRACEBACK"):
            raise
        # a data loader's worker wraps an error into its traceback; the last line is the error itself
        print(f"error: {str(e).strip().splitlines()[-1]}", file=sys.stderr)
        sys.exit(1)
    sys.exit(0)


def _launch(args: argparse.Namespace) -> None:
    world_size = args.num_gpus * args.num_machines
    if world_size > 1 and torch.cuda.device_count() < args.num_gpus:
        raise ConfigError(
            f"--num-gpus {args.num_gpus} asks for more GPUs than the {torch.cuda.device_count()} that are there"
        )
    launch(main, args.num_gpus, args.num_machines, args.machine_rank, args.dist_url, args=(args,))
