"""Each stage of the benchmark, from its arguments to its result."""

import argparse
import sys
from collections.abc import Callable
from typing import Any

from retina_plugin.benchmark.assign import benchmark_assignment
from retina_plugin.benchmark.data import benchmark_data
from retina_plugin.benchmark.evaluation import benchmark_evaluation
from retina_plugin.benchmark.inference.candidates import benchmark_candidates
from retina_plugin.benchmark.inference.infer import benchmark_inference
from retina_plugin.benchmark.inference.predict import benchmark_prediction
from retina_plugin.benchmark.inference.sweep import draw_sweep, sweep_inference
from retina_plugin.benchmark.losses import Problem, benchmark_losses, format_table
from retina_plugin.benchmark.pairs import format_times
from retina_plugin.benchmark.startup import benchmark_startup
from retina_plugin.benchmark.step import benchmark_step
from retina_plugin.benchmark.study import benchmark_study
from retina_plugin.pages.figures import save_figure

Found = tuple[dict[str, Any], str]
"""The result for JSON, and the same as text."""


def _timed(result: dict[str, Any]) -> Found:
    return result, format_times(result)


def _overrides(args: argparse.Namespace) -> list[str]:
    return [*args.opts, *([f"train.device={args.device}"] if args.device else [])]


def _losses(args: argparse.Namespace) -> Found:
    problem = Problem(args.images, args.anchors, args.classes, args.device or "cpu")
    result = benchmark_losses(problem, args.names, args.repeats)
    return result, format_table(result)


def _infer(args: argparse.Namespace) -> Found:
    settings = args.config_file, args.size, args.candidates, args.repeats, _overrides(args)
    if not args.sweep:
        return _timed(benchmark_inference(*settings, args.batch))
    result = sweep_inference(*settings)
    save_figure(draw_sweep(result), args.sweep)
    measured = [(f"{varied}: {value}", x) for varied, points in result.items() for value, x in points.items()]
    tables = [f"{title}\n{format_times(x)}" for title, x in measured]
    return result, "\n\n".join([*tables, f"drawn into {args.sweep}"])


def _detectors(args: argparse.Namespace) -> Found:
    from retina_plugin.benchmark.detectors import benchmark_detectors  # late: Detectron2's model_zoo warns on import

    return _timed(benchmark_detectors(args.size, args.repeats, args.device or "cpu"))


def _eval(args: argparse.Namespace) -> Found:
    result = benchmark_evaluation(args.images, args.detections, args.classes)
    parts = ("metric", "evaluator")
    tables = [format_times({name: x for name, x in result.items() if name.startswith(part)}) for part in parts]
    return result, "\n".join([*tables, "AP: " + ", ".join(f"{x['AP']:.10f}" for x in result.values())])


def _study(args: argparse.Namespace) -> Found:
    flags = ["--study", args.study, "--output", str(args.folder), "--jobs", str(args.jobs)]
    result = benchmark_study([sys.executable, "-m", "retina_cli", "ablate", *flags, *args.opts], args.folder, args.jobs)
    return result, "\n".join(f"{name:24} {value:.4g}" for name, value in result.items())


STAGES: dict[str, Callable[[argparse.Namespace], Found]] = {
    "losses": _losses,
    "step": lambda args: _timed(benchmark_step(args.config_file, args.steps, _overrides(args))),
    "infer": _infer,
    "predict": lambda args: _timed(benchmark_prediction(args.run, args.input, args.repeats)),
    "candidates": lambda args: _timed(benchmark_candidates(args.size, args.above, args.repeats, args.device or "cpu")),
    "assign": lambda args: _timed(benchmark_assignment(args.size, args.boxes, args.repeats, args.device or "cpu")),
    "detectors": _detectors,
    "data": lambda args: _timed(benchmark_data(args.config_file, args.batches, args.opts)),
    "startup": lambda args: _timed(benchmark_startup(args.config_file, args.repeats, args.opts)),
    "eval": _eval,
    "study": _study,
}
