#!/usr/bin/env python
"""Find missing, wrong, misplaced and spurious annotations with a detector, and write a repaired copy."""

import argparse
from collections import Counter

from retina_plugin.commands.find_label_errors import find_label_errors
from retina_plugin.engine.cli import add_trust_flags, exit_with


def main() -> None:
    """Examine the annotations of the run of the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--run", required=True, metavar="DIR", help="run folder; training on the faulty set is fine")
    parser.add_argument("--split", choices=["train", "test"], default="train", help="data of the run to examine")
    parser.add_argument("--output", default="./output/label_errors", metavar="DIR")
    parser.add_argument("--limit", type=int, default=500, metavar="N", help="number of proposals to list")
    parser.add_argument(
        "--accept", metavar="all|N|FILE",
        help="carry out all proposals of strength above 0, the first N, or those whose ids FILE lists, in a copy",
    )  # fmt: skip
    add_trust_flags(parser)
    args = parser.parse_args()
    found = find_label_errors(args.run, args.output, args.split, args.limit, args.accept, args.trust)
    kinds = ", ".join(f"{number} {kind}" for kind, number in Counter(p.kind for p in found).most_common())
    print(f"{len(found)} proposals ({kinds}) are in {args.output}/labels.html")


if __name__ == "__main__":
    exit_with(main)
