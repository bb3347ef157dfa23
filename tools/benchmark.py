#!/usr/bin/env python
"""What parts of the package cost, beside Detectron2's own: `tools/benchmark.py losses`."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from retina_plugin.analysis.benchmark_losses import Problem, benchmark_losses, format_table
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
    losses.add_argument("--output", type=Path, help="JSON file to write")
    args = parser.parse_args()
    problem = Problem(args.images, args.anchors, args.classes)
    result = benchmark_losses(problem, args.names, args.repeats)
    print(format_table(result))
    if args.output:
        args.output.parent.mkdir(parents=True, exist_ok=True)
        args.output.write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    exit_with(main)
