#!/usr/bin/env python
"""Kill a training at random moments, resume it, and compare the result bit by bit with a run that was not killed."""

import argparse
import sys
import tempfile

from retina_plugin.commands.soak import soak
from retina_plugin.engine.cli import exit_with, parse_with_overrides


def main() -> None:
    """Print a line for every kill; exit with status 1 if a run differs."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--config-file", required=True, metavar="FILE")
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0, help="of the moments")
    args = parse_with_overrides(parser)
    same = 0
    with tempfile.TemporaryDirectory() as folder:
        for i, kill in enumerate(soak(args.config_file, folder, args.kills, args.opts, args.seed)):
            same += not kill.difference
            outcome = kill.difference or "bit-identical"
            print(
                f"{i + 1:2d} killed after {kill.seconds:5.1f} s, resumed from {kill.resumed_from}: {outcome}",
                flush=True,
            )
    print(f"{same} of {args.kills} runs are bit-identical to the one that was not killed")
    if same < args.kills:
        sys.exit(1)


if __name__ == "__main__":
    exit_with(main)
