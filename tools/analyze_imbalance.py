#!/usr/bin/env python
"""Show who holds the loss of a trained detector: figure 4 of the focal loss paper, and the hardest background.

Writes imbalance.html, imbalance.json and figure4.png, and prints what they say.
"""

import argparse

from retina_plugin.commands.analyze_imbalance import analyze_imbalance
from retina_plugin.engine.cli import add_trust_flags, exit_with


def main() -> None:
    """Analyze the runs of the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--run", nargs="+", required=True, metavar="DIR", help="run folders, shown beside each other")
    parser.add_argument("--weights", metavar="FILE", help="another checkpoint than the run's final one")
    parser.add_argument("--split", choices=["test", "train"], default="test")
    parser.add_argument("--max-images", type=int, metavar="N", help="the first images only")
    parser.add_argument(
        "--losses", nargs="+", default=(), metavar="NAME",
        help="losses of configs/common/losses.py; by default cross entropy and focal loss with gamma .5, 1 and 2",
    )  # fmt: skip
    parser.add_argument("--output", metavar="DIR", help="by default RUN/imbalance")
    parser.add_argument(
        "--gallery", type=int, default=24, metavar="N", help="number of hard background anchors to draw"
    )
    parser.add_argument(
        "--target-background-share", type=float, default=0.5, metavar="SHARE",
        help="the advisor finds alpha for which background holds this share of the gradient",
    )  # fmt: skip
    parser.add_argument("--write-study", metavar="FILE", help="write a study of the advisor's hint for tools/ablate.py")
    add_trust_flags(parser)
    args = parser.parse_args()
    page, sentences = analyze_imbalance(
        args.run, args.output, args.weights, args.split, args.max_images, args.losses, args.gallery,
        args.target_background_share, args.write_study, args.trust,
    )  # fmt: skip
    print("\n".join([*sentences, f"The page is {page}"]))


if __name__ == "__main__":
    exit_with(main)
