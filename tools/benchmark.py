#!/usr/bin/env python
"""What parts of the package cost, beside Detectron2's own: `tools/benchmark.py losses` or `step`."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from retina_plugin.analysis.benchmark_losses import Problem, benchmark_losses, format_table
from retina_plugin.analysis.benchmark_step import benchmark_step
from retina_plugin.engine.cli import exit_with


def main() -> None:
    """Parse the arguments, run, print a table, write JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    losses = commands.add_parser("losses", help="forward and backward of classification losses")
    losses.add_argument("names", nargs="*", help="of configs/common/losses.py; all by default")
    losses.add_argument("--images", type=int, default=2)
    losses.add_argument("--anchors", type=int, default=190_000, help="per image")
    losses.add_argument("--classes", type=int, default=80)
    losses.add_argument("--repeats", type=int, default=5)
    step = commands.add_parser("step", help="a whole training step of a config")
    step.add_argument("--config-file", required=True, metavar="FILE")
    step.add_argument("--steps", type=int, default=40, help="of each side")
    step.add_argument("opts", nargs="*", help="key=value overrides")
    for command in (losses, step):
        command.add_argument("--output", type=Path, help="JSON file to write")
    args = parser.parse_args()
    result = _losses(args) if args.command == "losses" else _step(args)
    if args.output:
        args.output.parent.mkdir(parents=True, exist_ok=True)
        args.output.write_text(json.dumps(result, indent=2) + "\n")


def _losses(args: argparse.Namespace) -> dict[str, Any]:
    problem = Problem(args.images, args.anchors, args.classes)
    result = benchmark_losses(problem, args.names, args.repeats)
    print(format_table(result))
    return result


def _step(args: argparse.Namespace) -> dict[str, Any]:
    result = benchmark_step(args.config_file, args.steps, args.opts)
    for name, value in result.items():
        print(f"{name:24} {value:.4g}")
    return result


if __name__ == "__main__":
    exit_with(main)
