#!/usr/bin/env python
"""Kill a training or a study at random moments, go on, and compare it with one that was not killed, bit by bit."""

import argparse
import sys
import tempfile

from retina_plugin.commands.soak import soak, soak_study
from retina_plugin.engine.cli import exit_with, parse_with_overrides


def main() -> None:
    """Print a line for every kill; exit with status 1 if a run or a report differs."""
    parser = argparse.ArgumentParser(description=__doc__)
    subject = parser.add_mutually_exclusive_group(required=True)
    subject.add_argument("--config-file", metavar="FILE", help="a training")
    subject.add_argument("--study", metavar="FILE", help="a study; its process alone or all processes are killed")
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--num-gpus", type=int, default=1, help="processes of a training, without a GPU on the CPU")
    parser.add_argument("--jobs", type=int, default=2, help="runs of a study at once")
    parser.add_argument("--seed", type=int, default=0, help="seed of the random moments")
    args = parse_with_overrides(parser)
    same = 0
    with tempfile.TemporaryDirectory() as folder:
        if args.study:
            kills = soak_study(args.study, folder, args.kills, args.opts, args.seed, args.jobs)
        else:
            kills = soak(args.config_file, folder, args.kills, args.opts, args.seed, args.num_gpus)
        for i, kill in enumerate(kills):
            same += not kill.difference
            outcome = kill.difference or "bit-identical"
            when = f"{i + 1:2d} {kill.what} killed after {kill.seconds:5.1f} s, gone on from {kill.place}"
            print(f"{when}: {outcome}", flush=True)
    print(f"{same} of {args.kills} are bit-identical to the one that was not killed")
    if same < args.kills:
        sys.exit(1)


if __name__ == "__main__":
    exit_with(main)
