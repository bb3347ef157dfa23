#!/usr/bin/env python
"""Measure the time of losses, steps, inference, candidates, label assignment and evaluation against Detectron2's."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from retina_plugin.benchmark.assign import benchmark_assignment
from retina_plugin.benchmark.candidates import benchmark_candidates
from retina_plugin.benchmark.evaluation import benchmark_evaluation
from retina_plugin.benchmark.infer import benchmark_inference
from retina_plugin.benchmark.losses import Problem, benchmark_losses, format_table
from retina_plugin.benchmark.pairs import format_times
from retina_plugin.benchmark.step import benchmark_step
from retina_plugin.benchmark.study import benchmark_study
from retina_plugin.engine.cli import exit_with
from retina_plugin.files import write_json


def main() -> None:
    """Run the benchmark of the command line, print its result and write it as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    losses = commands.add_parser("losses", help="forward and backward of classification losses")
    losses.add_argument("names", nargs="*", help="of configs/common/losses.py; all by default")
    losses.add_argument("--images", type=int, default=2)
    losses.add_argument("--anchors", type=int, default=190_000, help="per image")
    losses.add_argument("--classes", type=int, default=80)
    losses.add_argument("--repeats", type=int, default=5)
    step = commands.add_parser("step", help="a whole training step of a config")
    step.add_argument("--config-file", required=True, metavar="FILE")
    step.add_argument("--steps", type=int, default=9, help="of each side")
    step.add_argument("opts", nargs="*", help="key=value overrides")
    infer = commands.add_parser("infer", help="inference for one image")
    infer.add_argument("--config-file", required=True, metavar="FILE")
    infer.add_argument("--candidates", type=int, default=300, help="scores above the threshold")
    infer.add_argument("opts", nargs="*", help="key=value overrides")
    assign = commands.add_parser("assign", help="label assignment for one image")
    assign.add_argument("--boxes", type=int, default=100)
    candidates = commands.add_parser("candidates", help="from logits to detections of one image")
    candidates.add_argument("--above", type=int, default=200_000, help="scores above the threshold")
    for command, size in ((infer, [480, 640]), (assign, [800, 1344]), (candidates, [800, 1344])):
        command.add_argument("--size", type=int, nargs=2, default=size, metavar=("HEIGHT", "WIDTH"))
        command.add_argument("--repeats", type=int, default=9)
    evaluation = commands.add_parser("eval", help="COCO evaluation of made-up detections")
    evaluation.add_argument("--images", type=int, default=5000)
    evaluation.add_argument("--detections", type=int, default=100, help="per image")
    evaluation.add_argument("--classes", type=int, default=80)
    study = commands.add_parser("study", help="what a study takes beside training and evaluation")
    study.add_argument("--study", required=True, metavar="FILE")
    study.add_argument("--folder", type=Path, required=True, help="for its runs, new or empty")
    study.add_argument("--jobs", type=int, default=1, help="runs at once on this machine")
    study.add_argument("opts", nargs="*", help="key=value overrides")
    for command in (losses, step, infer, candidates, assign, evaluation, study):
        command.add_argument("--output", type=Path, help="JSON file to write")
    args = parser.parse_args()
    result = _RUN[args.command](args)
    if args.output:
        write_json(args.output, result)


def _losses(args: argparse.Namespace) -> dict[str, Any]:
    problem = Problem(args.images, args.anchors, args.classes)
    result = benchmark_losses(problem, args.names, args.repeats)
    print(format_table(result))
    return result


def _step(args: argparse.Namespace) -> dict[str, Any]:
    result = benchmark_step(args.config_file, args.steps, args.opts)
    print(format_times(result))
    print("peak MB:", ", ".join(f"{name} {x['peak_mb']:.0f}" for name, x in result.items()))
    return result


def _study(args: argparse.Namespace) -> dict[str, Any]:
    ablate = Path(__file__).with_name("ablate.py")
    flags = ["--study", args.study, "--output", str(args.folder), "--jobs", str(args.jobs)]
    command = [sys.executable, str(ablate), *flags, *args.opts]
    return _printed(benchmark_study(command, args.folder, args.jobs))


def _infer(args: argparse.Namespace) -> dict[str, Any]:
    result = benchmark_inference(args.config_file, args.size, args.candidates, args.repeats, args.opts)
    print(format_times(result))
    return result


def _assign(args: argparse.Namespace) -> dict[str, Any]:
    result = benchmark_assignment(args.size, args.boxes, args.repeats)
    print(format_times(result))
    return result


def _candidates(args: argparse.Namespace) -> dict[str, Any]:
    result = benchmark_candidates(args.size, args.above, args.repeats)
    print(format_times(result))
    return result


def _eval(args: argparse.Namespace) -> dict[str, Any]:
    result = benchmark_evaluation(args.images, args.detections, args.classes)
    print(format_times({name: x for name, x in result.items() if name.startswith("metric")}))
    print(format_times({name: x for name, x in result.items() if name.startswith("evaluator")}))
    print("AP:", ", ".join(f"{x['AP']:.10f}" for x in result.values()))
    return result


def _printed(result: dict[str, Any]) -> dict[str, Any]:
    for name, value in result.items():
        print(f"{name:24} {value:.4g}")
    return result


_RUN = {
    "losses": _losses,
    "step": _step,
    "infer": _infer,
    "candidates": _candidates,
    "assign": _assign,
    "eval": _eval,
    "study": _study,
}

if __name__ == "__main__":
    exit_with(main)
