"""The benchmark, one stage per subcommand."""

import argparse
import sys
from pathlib import Path
from typing import Any

from .arguments import Command

_GROUP = "measure time and memory"


def _arguments(parser: argparse.ArgumentParser) -> None:
    stages = parser.add_subparsers(dest="stage", required=True)
    losses = stages.add_parser("losses", help="forward and backward of classification losses")
    losses.add_argument("names", nargs="*", help="of configs/common/losses.py; all by default")
    losses.add_argument("--images", type=int, default=2)
    losses.add_argument("--anchors", type=int, default=190_000, help="per image")
    losses.add_argument("--classes", type=int, default=80)
    losses.add_argument("--repeats", type=int, default=5)
    step = stages.add_parser("step", help="a whole training step of a config")
    step.add_argument("--config-file", required=True, metavar="FILE")
    step.add_argument("--steps", type=int, default=9, help="of each side")
    infer = stages.add_parser("infer", help="inference for one image")
    infer.add_argument("--config-file", required=True, metavar="FILE")
    infer.add_argument("--candidates", type=int, default=300, help="scores above the threshold")
    assign = stages.add_parser("assign", help="label assignment for one image")
    assign.add_argument("--boxes", type=int, default=100)
    candidates = stages.add_parser("candidates", help="from logits to detections of one image")
    candidates.add_argument("--above", type=int, default=200_000, help="scores above the threshold")
    for stage, size in ((infer, [480, 640]), (assign, [800, 1344]), (candidates, [800, 1344])):
        stage.add_argument("--size", type=int, nargs=2, default=size, metavar=("HEIGHT", "WIDTH"))
        stage.add_argument("--repeats", type=int, default=9)
    evaluation = stages.add_parser("eval", help="COCO evaluation of made-up detections")
    evaluation.add_argument("--images", type=int, default=5000)
    evaluation.add_argument("--detections", type=int, default=100, help="per image")
    evaluation.add_argument("--classes", type=int, default=80)
    study = stages.add_parser("study", help="what a study takes beside training and evaluation")
    study.add_argument("--study", required=True, metavar="FILE")
    study.add_argument("--folder", type=Path, required=True, help="for its runs, new or empty")
    study.add_argument("--jobs", type=int, default=1, help="runs at once on this machine")
    for stage in (step, infer, study):
        stage.add_argument("opts", nargs="*", metavar="key=value", help="overrides of the config")
    for stage in (losses, step, infer, candidates, assign, evaluation, study):
        stage.add_argument("--output", type=Path, help="JSON file to write")


def _benchmark(args: argparse.Namespace) -> None:
    from retina_plugin.files import write_json

    result = _STAGES[args.stage](args)
    if args.output:
        write_json(args.output, result)


def _losses(args: argparse.Namespace) -> dict[str, Any]:
    from retina_plugin.benchmark.losses import Problem, benchmark_losses, format_table

    problem = Problem(args.images, args.anchors, args.classes)
    result = benchmark_losses(problem, args.names, args.repeats)
    print(format_table(result))
    return result


def _step(args: argparse.Namespace) -> dict[str, Any]:
    from retina_plugin.benchmark.step import benchmark_step

    result = _timed(benchmark_step(args.config_file, args.steps, args.opts))
    print("peak MB:", ", ".join(f"{name} {x['peak_mb']:.0f}" for name, x in result.items()))
    return result


def _infer(args: argparse.Namespace) -> dict[str, Any]:
    from retina_plugin.benchmark.infer import benchmark_inference

    return _timed(benchmark_inference(args.config_file, args.size, args.candidates, args.repeats, args.opts))


def _assign(args: argparse.Namespace) -> dict[str, Any]:
    from retina_plugin.benchmark.assign import benchmark_assignment

    return _timed(benchmark_assignment(args.size, args.boxes, args.repeats))


def _candidates(args: argparse.Namespace) -> dict[str, Any]:
    from retina_plugin.benchmark.candidates import benchmark_candidates

    return _timed(benchmark_candidates(args.size, args.above, args.repeats))


def _eval(args: argparse.Namespace) -> dict[str, Any]:
    from retina_plugin.benchmark.evaluation import benchmark_evaluation

    result = benchmark_evaluation(args.images, args.detections, args.classes)
    for part in ("metric", "evaluator"):
        _timed({name: x for name, x in result.items() if name.startswith(part)})
    print("AP:", ", ".join(f"{x['AP']:.10f}" for x in result.values()))
    return result


def _study(args: argparse.Namespace) -> dict[str, Any]:
    from retina_plugin.benchmark.study import benchmark_study

    flags = ["--study", args.study, "--output", str(args.folder), "--jobs", str(args.jobs)]
    result = benchmark_study([sys.executable, "-m", "retina_cli", "ablate", *flags, *args.opts], args.folder, args.jobs)
    for name, value in result.items():
        print(f"{name:24} {value:.4g}")
    return result


def _timed(result: dict[str, Any]) -> dict[str, Any]:
    from retina_plugin.benchmark.pairs import format_times

    print(format_times(result))
    return result


_STAGES = {
    "losses": _losses,
    "step": _step,
    "infer": _infer,
    "candidates": _candidates,
    "assign": _assign,
    "eval": _eval,
    "study": _study,
}

MEASURING = (
    Command(
        "benchmark",
        _GROUP,
        "time and memory of losses, steps, inference, candidates, label assignment and evaluation beside Detectron2's",
        "losses focal softmax_ce",
        _arguments,
        _benchmark,
    ),
)
