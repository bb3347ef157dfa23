#!/usr/bin/env python
"""Train a config, train it again from its checkpoint in the middle, and compare everything bit by bit."""

import argparse
import sys
import tempfile

from retina_plugin.engine.cli import exit_with, parse_with_overrides
from retina_plugin.engine.reliability.verify import verify_resume


def main() -> None:
    """Verify what the command line names; end with 1 and the first difference if there is one."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--config-file", required=True, metavar="FILE")
    parser.add_argument("--iterations", type=int, default=8, help="of the whole run (default: 8)")
    parser.add_argument("--output", metavar="DIR", help="keeps the two runs; by default nothing")
    args = parse_with_overrides(parser)
    with tempfile.TemporaryDirectory() as scratch:
        folder = args.output or scratch
        difference = verify_resume(args.config_file, args.iterations, folder, args.opts)
    if difference:
        sys.exit(f"error: the resumed run is another one: {difference}")
    print(f"{args.iterations} iterations, resumed in the middle: the same bit by bit")


if __name__ == "__main__":
    exit_with(main)
