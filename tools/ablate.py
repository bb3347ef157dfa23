#!/usr/bin/env python
"""Train the variants of a study over its seeds, each run in a process of its own, and write one report."""

import argparse
import sys

from retina_plugin.engine.cli import exit_with
from retina_plugin.study import load_study, run_study, write_report


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
    results = run_study(study)
    page = write_report(study, results, args.num_images)
    print(page.with_name("report.md").read_text())
    print(f"report: {page}")
    failed = [r for r in results if r.error]
    if failed:
        sys.exit(f"error: {len(failed)} of {len(results)} runs failed: {failed[0].error}")


if __name__ == "__main__":
    exit_with(main)
