#!/usr/bin/env python
"""Draw the detections of several runs side by side, with ground truth for images of the test data."""

import argparse

from retina_plugin.commands.compare import compare
from retina_plugin.engine.cli import add_trust_flags, exit_with


def main() -> None:
    """Compare the runs of the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", nargs="+", required=True, metavar="DIR", help="run folders")
    parser.add_argument("--input", nargs="*", default=(), help="images; by default test data")
    parser.add_argument("--output", required=True, metavar="DIR")
    parser.add_argument("--num-images", type=int, default=8, help="number of test images")
    parser.add_argument("--score-thresh", type=float, default=0.5, help="minimum score to draw")
    add_trust_flags(parser)
    args = parser.parse_args()
    written = compare(args.runs, args.output, args.input, args.num_images, args.score_thresh, trust=args.trust)
    print(f"{len(written)} pictures are in {args.output}")


if __name__ == "__main__":
    exit_with(main)
