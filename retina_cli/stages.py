"""Runs each stage of the benchmark, and formats its result as text."""

import argparse
import sys
from collections.abc import Callable
from typing import Any

Found = tuple[dict[str, Any], str]
"""The result for JSON, and the same as text."""


def _losses(args: argparse.Namespace) -> Found:
    from retina_plugin.benchmark.losses import Problem, benchmark_losses, format_table

    problem = Problem(args.images, args.anchors, args.classes, args.device or "cpu")
    result = benchmark_losses(problem, args.names, args.repeats)
    return result, format_table(result)


def _step(args: argparse.Namespace) -> Found:
    from retina_plugin.benchmark.step import benchmark_step

    return _timed(benchmark_step(args.config_file, args.steps, _overrides(args)))


def _infer(args: argparse.Namespace) -> Found:
    from retina_plugin.benchmark.inference.infer import benchmark_inference

    if args.sweep:
        return _sweep(args)
    settings = args.size, args.candidates, args.repeats, _overrides(args), args.batch
    return _timed(benchmark_inference(args.config_file, *settings))


def _predict(args: argparse.Namespace) -> Found:
    from retina_plugin.benchmark.inference.predict import benchmark_prediction

    return _timed(benchmark_prediction(args.run, args.input, args.repeats))


def _sweep(args: argparse.Namespace) -> Found:
    from retina_plugin.benchmark.inference.sweep import draw_sweep, sweep_inference
    from retina_plugin.pages.figures import save_figure

    result = sweep_inference(args.config_file, args.size, args.candidates, args.repeats, _overrides(args))
    save_figure(draw_sweep(result), args.sweep)
    tables = [f"{varied}: {value}\n{_timed(x)[1]}" for varied, points in result.items() for value, x in points.items()]
    return result, "\n\n".join([*tables, f"drawn into {args.sweep}"])


def _assign(args: argparse.Namespace) -> Found:
    from retina_plugin.benchmark.assign import benchmark_assignment

    return _timed(benchmark_assignment(args.size, args.boxes, args.repeats, args.device or "cpu"))


def _candidates(args: argparse.Namespace) -> Found:
    from retina_plugin.benchmark.inference.candidates import benchmark_candidates

    return _timed(benchmark_candidates(args.size, args.above, args.repeats, args.device or "cpu"))


def _detectors(args: argparse.Namespace) -> Found:
    from retina_plugin.benchmark.detectors import benchmark_detectors

    return _timed(benchmark_detectors(args.size, args.repeats, args.device or "cpu"))


def _data(args: argparse.Namespace) -> Found:
    from retina_plugin.benchmark.data import benchmark_data

    return _timed(benchmark_data(args.config_file, args.batches, args.opts))


def _startup(args: argparse.Namespace) -> Found:
    from retina_plugin.benchmark.startup import benchmark_startup

    return _timed(benchmark_startup(args.config_file, args.repeats, args.opts))


def _eval(args: argparse.Namespace) -> Found:
    from retina_plugin.benchmark.evaluation import benchmark_evaluation

    result = benchmark_evaluation(args.images, args.detections, args.classes)
    tables = [
        _timed({name: x for name, x in result.items() if name.startswith(part)})[1] for part in ("metric", "evaluator")
    ]
    return result, "\n".join([*tables, "AP: " + ", ".join(f"{x['AP']:.10f}" for x in result.values())])


def _study(args: argparse.Namespace) -> Found:
    from retina_plugin.benchmark.study import benchmark_study

    flags = ["--study", args.study, "--output", str(args.folder), "--jobs", str(args.jobs)]
    result = benchmark_study([sys.executable, "-m", "retina_cli", "ablate", *flags, *args.opts], args.folder, args.jobs)
    return result, "\n".join(f"{name:24} {value:.4g}" for name, value in result.items())


def _timed(result: dict[str, Any]) -> Found:
    from retina_plugin.benchmark.pairs import format_times

    return result, format_times(result)


def _overrides(args: argparse.Namespace) -> list[str]:
    return [*args.opts, *([f"train.device={args.device}"] if args.device else [])]


STAGES: dict[str, Callable[[argparse.Namespace], Found]] = {
    "losses": _losses,
    "step": _step,
    "infer": _infer,
    "predict": _predict,
    "candidates": _candidates,
    "assign": _assign,
    "detectors": _detectors,
    "data": _data,
    "startup": _startup,
    "eval": _eval,
    "study": _study,
}
