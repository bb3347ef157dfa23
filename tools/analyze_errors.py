#!/usr/bin/env python
"""Show what costs a run AP: errors by type, class and size, and the anchors behind them; or compare two runs."""

import argparse

from retina_plugin.commands.analyze_errors import analyze_errors
from retina_plugin.engine.cli import add_trust_flags, exit_with


def main() -> None:
    """Analyze the runs of the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--run", nargs="+", required=True, metavar="DIR", help="a run folder, or two to compare")
    parser.add_argument("--output", metavar="DIR", help="folder for errors.html and errors.json; by default RUN/errors")
    parser.add_argument("--iou", type=float, default=0.5, help="from which a detection is correct")
    parser.add_argument(
        "--score-thresh",
        type=float,
        help="least score of the detections in tables and pictures; by default that with the best F1",
    )
    parser.add_argument("--max-images", type=int, default=500, help="of which anchors are computed")
    add_trust_flags(parser)
    args = parser.parse_args()
    print(analyze_errors(args.run, args.output, args.iou, args.score_thresh, args.max_images, args.trust))


if __name__ == "__main__":
    exit_with(main)
