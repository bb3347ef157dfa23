#!/usr/bin/env python
"""Train the variants of a study over its seeds, each run in a process of its own, and write one report."""

import argparse

from retina_plugin.engine.cli import exit_with
from retina_plugin.study import load_study, report_outcome, run_study


def main() -> None:
    """Run the study that the command line names."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--study", required=True, metavar="FILE", help="defines study = dict(...)")
    parser.add_argument("--seeds", nargs="+", type=int, help="instead of the study's")
    parser.add_argument("--only", nargs="+", metavar="VARIANT", help="train these variants only")
    parser.add_argument("--output", metavar="DIR", help="instead of the study's folder")
    parser.add_argument("--num-images", type=int, default=4, help="pictures in the report")
    parser.add_argument("opts", nargs="*", help="key=value overrides for every run")
    args = parser.parse_intermixed_args()
    study = load_study(args.study, args.seeds, args.only, args.output, args.opts)
    report_outcome(study, run_study(study), args.num_images)


if __name__ == "__main__":
    exit_with(main)
