#!/usr/bin/env python
"""Train a config, resume a copy of the run from its checkpoint in the middle, and compare everything bit by bit."""

import argparse
import sys
import tempfile

from retina_plugin.commands.verify_resume import verify_resume
from retina_plugin.engine.cli import exit_with, parse_with_overrides


def main() -> None:
    """Verify the config of the command line; exit with status 1 and the first difference if there is one."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--config-file", required=True, metavar="FILE")
    parser.add_argument("--iterations", type=int, default=8, help="of the whole run (default: 8)")
    parser.add_argument(
        "--output",
        metavar="DIR",
        help="folder to keep the two runs in; by default they are deleted",
    )
    args = parse_with_overrides(parser)
    with tempfile.TemporaryDirectory() as scratch:
        folder = args.output or scratch
        difference = verify_resume(args.config_file, args.iterations, folder, args.opts)
    if difference:
        sys.exit(f"error: the resumed run differs: {difference}")
    print(f"{args.iterations} iterations, resumed in the middle: bit-identical")


if __name__ == "__main__":
    exit_with(main)
