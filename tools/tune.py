#!/usr/bin/env python
"""Tune every variant of a study with the same number of trials, on data that its test never sees."""

import argparse

from retina_plugin.commands.tune import tune_study
from retina_plugin.engine.cli import exit_with, parse_with_overrides
from retina_plugin.study import build_executor, load_study


def main() -> None:
    """Tune the study that the command line names."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--study", required=True, metavar="FILE", help="defines study = dict(...)")
    parser.add_argument("--trials", type=int, default=16, help="trials of each variant; the first has the defaults")
    parser.add_argument("--only", nargs="+", metavar="VARIANT", help="tune these variants only")
    parser.add_argument("--output", metavar="DIR", help="folder; by default the study's with _tuning after its name")
    parser.add_argument("--jobs", type=int, default=1, help="trainings at once on this machine")
    args = parse_with_overrides(parser)
    folder = args.output or f"{load_study(args.study, tuned_by='').output_dir}_tuning"
    study = load_study(args.study, only=args.only, output_dir=folder, overrides=args.opts, tuned_by="")
    tune_study(study, args.trials, build_executor("local", args.jobs))


if __name__ == "__main__":
    exit_with(main)
