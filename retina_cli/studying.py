"""Commands of studies: train variants over seeds, tune them, simulate verdicts."""

import argparse
from typing import TYPE_CHECKING

from .arguments import at_least, command

if TYPE_CHECKING:
    from retina_plugin.study.execution.executors import Executor

_GROUP = "compare settings"
_MATCHES = ("prior", "scale", "clip")


def _ablate_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--study", required=True, metavar="FILE", help="study file, which defines study = dict(...)")
    parser.add_argument("--seeds", nargs="+", type=seed, help="seeds to use instead of those of the study, or auto")
    parser.add_argument("--only", nargs="+", metavar="VARIANT", help="train these variants only")
    parser.add_argument("--cells", nargs="+", metavar="CELL", help="cells of a grid: rows, columns, or ROW/COLUMN")
    parser.add_argument("--output", metavar="DIR", help="study folder, instead of that of the study")
    parser.add_argument("--report-only", action="store_true", help="report the runs that exist; trains nothing")
    parser.add_argument(
        "--plan", action="store_true", help="print which differences the study can detect; trains nothing"
    )
    parser.add_argument(
        "--num-images", type=at_least(0), default=4, help="number of test images in the report (default: 4)"
    )
    parser.add_argument(
        "--match",
        nargs="+",
        choices=_MATCHES,
        help="make variants alike: prior starts each at the constant score at which its loss is smallest, scale "
        "multiplies losses so that their first gradients have equal norms, clip sets clip_grad_norm to the same "
        "multiple of the first gradient norm",
    )
    parser.add_argument("--match-scale", action="store_true", default=None, help="add scale to --match")
    parser.add_argument("--tuned-by", metavar="FILE", help="tuned.json of the tune command; variants use its values")
    _executor_arguments(parser)


def _executor_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--executor",
        choices=["local", "ray"],
        default="local",
        help="where runs are trained: this machine or a Ray cluster",
    )
    parser.add_argument("--jobs", type=at_least(1), default=1, help="runs at once on this machine")
    parser.add_argument("--address", help="address of a Ray cluster; without it Ray starts one here")
    parser.add_argument("--cpus-per-run", type=at_least(1), default=1, help="CPUs that Ray reserves for a run")
    parser.add_argument("--gpus-per-run", type=float, default=0, help="GPUs that Ray reserves for a run")


def _executor(args: argparse.Namespace) -> "Executor":
    from retina_plugin.study import build_executor

    return build_executor(args.executor, args.jobs, args.address, args.cpus_per_run, args.gpus_per_run)


def seed(text: str) -> int | str:
    """The argparse type of a seed: an integer or "auto". Messages of argparse show the name of this function."""
    return text if text == "auto" else int(text)


@command(
    "ablate",
    _GROUP,
    "--study projects/CrossEntropyVsFocal/demo.py --jobs 2",
    _ablate_arguments,
    has_overrides=True,
    trains=True,
)
def _ablate(args: argparse.Namespace) -> None:
    """Train the variants of a study with several seeds, each run in its own process, and write one report."""
    from retina_plugin.commands.ablate import ablate, ablate_grid
    from retina_plugin.study import load_study
    from retina_plugin.study.grid.grid import load_grid
    from retina_plugin.study.planning.planner import plan

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
    executor = None if args.report_only else _executor(args)
    if grid:
        ablate_grid(grid, executor, args.num_images, args.report_only)
    else:
        ablate(study, executor, args.num_images, args.report_only)


def _tune_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--study", required=True, metavar="FILE", help="study file, which defines study = dict(...)")
    parser.add_argument(
        "--trials",
        type=at_least(1),
        default=16,
        help="trials of each variant; the first one has the defaults (default: 16)",
    )
    parser.add_argument("--only", nargs="+", metavar="VARIANT", help="tune these variants only")
    parser.add_argument("--output", metavar="DIR", help="folder; by default that of the study with _tuning at the end")
    _executor_arguments(parser)


@command(
    "tune",
    _GROUP,
    "--study projects/CrossEntropyVsFocal/study.py --trials 16",
    _tune_arguments,
    has_overrides=True,
    trains=True,
)
def _tune(args: argparse.Namespace) -> None:
    """Tune every variant of a study with the same number of trials, on images that are not in the test data."""
    from retina_plugin.commands.tune import tune_study
    from retina_plugin.config import ConfigError
    from retina_plugin.study import load_study
    from retina_plugin.study.spec.file_content import read_study_file

    if "grid" in read_study_file(args.study):
        raise ConfigError(f"{args.study} has a grid, whose cells have settings of their own: tune a file without grid")
    folder = args.output or f"{load_study(args.study, tuned_by='').output_dir}_tuning"
    study = load_study(args.study, only=args.only, output_dir=folder, overrides=args.opts, tuned_by="")
    tune_study(study, args.trials, _executor(args))


def _simulate_arguments(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", required=True)
    tables = actions.add_parser("tables", help="print tables in Markdown")
    tables.add_argument(
        "--studies",
        type=at_least(1),
        default=20000,
        help="simulated studies behind each number; a twentieth of them where images are resampled",
    )
    tables.add_argument("--seeds", type=at_least(2), nargs="+", default=[2, 3, 4, 5], help="seeds per study")
    tables.add_argument("--seed", type=at_least(0), default=0, help="seed of the simulation")
    bank = actions.add_parser("bank", help="add the spreads of studies with several seeds to the bank of this package")
    bank.add_argument("folders", nargs="+", metavar="DIR", help="study folders")


@command("simulate-studies", _GROUP, "tables --studies 2000", _simulate_arguments)
def _simulate(args: argparse.Namespace) -> None:
    """Simulate studies with a known truth, and print how often verdicts are wrong; or add spreads to the bank."""
    from retina_plugin.commands.simulate_studies import add_to_bank, simulate_studies

    if args.action == "bank":
        for entry in add_to_bank(args.folders):
            print(f"{entry['study']}, {entry['variant']}: {', '.join(entry['metrics'])}")
        return
    for line in simulate_studies(args.studies, args.seeds, args.seed):
        print(line, flush=True)


STUDYING = (_ablate, _tune, _simulate)
