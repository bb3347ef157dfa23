#!/usr/bin/env python
"""Show which objects the anchors of a config can match, the AP that allows, and, with --search, better anchors."""

import argparse

from retina_plugin.analysis.anchors.page import write_summary
from retina_plugin.commands.analyze_anchors import PAGE, analyze_anchors
from retina_plugin.config import load_config
from retina_plugin.engine.cli import add_trust_flags, exit_with, parse_with_overrides
from retina_plugin.run_folder import read_config


def parse_args() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--config-file", metavar="FILE")
    source.add_argument("--run", metavar="DIR", help="run folder; its config, without its weights")
    parser.add_argument("--split", choices=["train", "test"], default="train", help="whose boxes")
    parser.add_argument("--output", default="./output/anchors", metavar="DIR")
    parser.add_argument("--search", action="store_true", help="search anchors that match more boxes")
    parser.add_argument("--levels", nargs="+", default=(), metavar="LEVEL",
                        help="levels that the search may use, such as p2 p3 p4; by default the config's")  # fmt: skip
    parser.add_argument("--max-anchors", type=float, metavar="N",
                        help="most anchors per image (mean) for the search; by default as many as now")  # fmt: skip
    parser.add_argument("--images", type=int, default=4, metavar="N", help="number of pictures")
    parser.add_argument("--max-images", type=int, default=1000, metavar="N",
                        help="images whose boxes are matched; of more, a random sample")  # fmt: skip
    add_trust_flags(parser)
    return parse_with_overrides(parser)


def main() -> None:
    """Analyze the anchors of the command line."""
    args = parse_args()
    cfg = read_config(args.run, args.opts, args.trust) if args.run else load_config(args.config_file, args.opts)
    result = analyze_anchors(
        cfg, args.output, args.run or args.config_file, args.split, args.search, args.levels, args.max_anchors,
        args.images, args.max_images,
    )  # fmt: skip
    print(write_summary(result))
    print(f"\npictures are in {args.output}/{PAGE}")


if __name__ == "__main__":
    exit_with(main)
