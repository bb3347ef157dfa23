#!/usr/bin/env python
"""Train the variants of a study over its seeds, each run in a process of its own, and write one report."""

import argparse

from retina_plugin.commands.ablate import ablate, ablate_grid
from retina_plugin.engine.cli import exit_with, parse_with_overrides
from retina_plugin.study import MATCHES, build_executor, load_study
from retina_plugin.study.grid.grid import load_grid
from retina_plugin.study.planning.planner import plan


def main() -> None:
    """Run the study that the command line names."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--study", required=True, metavar="FILE", help="defines study = dict(...)")
    parser.add_argument("--seeds", nargs="+", type=_seed, help="seeds to use instead of the study's, or auto")
    parser.add_argument("--only", nargs="+", metavar="VARIANT", help="train these variants only")
    parser.add_argument("--cells", nargs="+", metavar="CELL", help="of a grid: rows, columns, or ROW/COLUMN")
    parser.add_argument("--output", metavar="DIR", help="folder to use instead of the study's")
    parser.add_argument("--report-only", action="store_true", help="report the runs that are there, train nothing")
    parser.add_argument("--plan", action="store_true", help="print which effects the study can see, train nothing")
    parser.add_argument("--num-images", type=int, default=4, help="pictures in the report")
    parser.add_argument(
        "--match",
        nargs="+",
        choices=list(MATCHES),
        help="; ".join(f"{name}: {what}" for name, what in MATCHES.items()),
    )
    parser.add_argument("--match-scale", action="store_true", default=None, help="short for scale in --match")
    parser.add_argument("--tuned-by", metavar="FILE", help="tuned.json of tools/tune.py, whose values variants take")
    parser.add_argument("--executor", choices=["local", "ray"], default="local")
    parser.add_argument("--jobs", type=int, default=1, help="runs at once on this machine")
    parser.add_argument("--address", help="address of a Ray cluster; without it Ray starts one here")
    parser.add_argument("--cpus-per-run", type=int, default=1, help="CPUs that Ray reserves for a run")
    parser.add_argument("--gpus-per-run", type=float, default=0, help="GPUs that Ray reserves for a run")
    args = parse_with_overrides(parser)
    options = {
        "seeds": "auto" if args.seeds == ["auto"] else args.seeds,
        "only": args.only,
        "match_scale": args.match_scale,
        "match": args.match,
        "tuned_by": args.tuned_by,
    }
    grid = load_grid(args.study, args.cells, args.output, args.opts, **options)
    study = None if grid else load_study(args.study, output_dir=args.output, overrides=args.opts, **options)
    if args.plan:
        print("\n".join(plan(grid.study(grid.chosen[0]), num_cells=len(grid.cells)) if grid else plan(study)))
        return
    executor = build_executor(args.executor, args.jobs, args.address, args.cpus_per_run, args.gpus_per_run)
    if grid:
        ablate_grid(grid, executor, args.num_images, args.report_only)
    else:
        ablate(study, executor, args.num_images, args.report_only)


def _seed(text: str) -> int | str:
    return text if text == "auto" else int(text)


if __name__ == "__main__":
    exit_with(main)
