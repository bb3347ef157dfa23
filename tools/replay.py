#!/usr/bin/env python
"""Repeat a training step whose loss or gradient was not finite, and name the first value that is not."""

import argparse

from retina_plugin.commands.replay import replay
from retina_plugin.engine.cli import add_trust_flags, exit_with


def main() -> None:
    """Repeat the step of the command line and print what it computes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("dump", help="RUN/nonfinite/iteration_..._rank0.pth")
    parser.add_argument("--run", metavar="DIR", help="its run folder, if the file was moved")
    add_trust_flags(parser)
    args = parser.parse_args()
    print(replay(args.dump, args.run, args.trust))


if __name__ == "__main__":
    exit_with(main)
