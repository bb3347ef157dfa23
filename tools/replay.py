#!/usr/bin/env python
"""Do a training step again whose loss or gradient was no number, and say where numbers end."""

import argparse

from retina_plugin.commands.replay import replay
from retina_plugin.engine.cli import exit_with


def main() -> None:
    """Print what the step that the command line names does."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("dump", help="RUN/nonfinite/iteration_..._rank0.pth")
    parser.add_argument("--run", metavar="DIR", help="its run folder, if the file was moved")
    args = parser.parse_args()
    print(replay(args.dump, args.run))


if __name__ == "__main__":
    exit_with(main)
