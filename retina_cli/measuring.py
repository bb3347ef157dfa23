"""The benchmark, one stage per subcommand."""

import argparse
from pathlib import Path

from .arguments import at_least, command

_GROUP = "measure time and memory"


def _arguments(parser: argparse.ArgumentParser) -> None:
    stages = parser.add_subparsers(dest="stage", required=True)
    losses = stages.add_parser("losses", help="forward and backward pass of classification losses")
    losses.add_argument("names", nargs="*", help="names in configs/common/losses.py; by default all")
    losses.add_argument("--images", type=at_least(1), default=2)
    losses.add_argument("--anchors", type=at_least(1), default=190_000, help="per image")
    losses.add_argument("--classes", type=at_least(1), default=80)
    step = stages.add_parser("step", help="a whole training step of a config")
    step.add_argument("--steps", type=at_least(1), default=9, help="training steps of each implementation")
    infer = stages.add_parser("infer", help="inference of a config's detector")
    infer.add_argument("--candidates", type=at_least(1), default=300, help="number of scores above the threshold")
    infer.add_argument("--batch", type=at_least(1), default=1, help="images at once")
    infer.add_argument(
        "--sweep", type=Path, metavar="FILE", help="vary size, classes and batch, and draw them into this .svg or .png"
    )
    predict = stages.add_parser("predict", help="the detector of a run, from image files to detections")
    predict.add_argument("--run", required=True, metavar="DIR")
    predict.add_argument("--input", nargs="+", required=True, help="image files, folders or glob patterns")
    assign = stages.add_parser("assign", help="label assignment for one image")
    assign.add_argument("--boxes", type=at_least(1), default=100)
    candidates = stages.add_parser("candidates", help="from logits to detections of one image")
    candidates.add_argument("--above", type=at_least(1), default=200_000, help="number of scores above the threshold")
    detectors = stages.add_parser("detectors", help="Detectron2's Faster R-CNN, RetinaNet and FCOS on one image")
    data = stages.add_parser("data", help="training batches from files to augmented pixels")
    data.add_argument("--batches", type=at_least(1), default=20, help="batches of each implementation")
    startup = stages.add_parser("startup", help="from the command of a training to its first iteration")
    evaluation = stages.add_parser("eval", help="COCO evaluation of random detections")
    evaluation.add_argument("--images", type=at_least(1), default=5000)
    evaluation.add_argument("--detections", type=at_least(1), default=100, help="per image")
    evaluation.add_argument("--classes", type=at_least(1), default=80)
    study = stages.add_parser("study", help="time that a study takes besides training and evaluation")
    study.add_argument("--study", required=True, metavar="FILE")
    study.add_argument("--folder", type=Path, required=True, help="folder for the runs, new or empty")
    study.add_argument("--jobs", type=at_least(1), default=1, help="runs at once on this machine")
    for stage in (step, infer, data, startup):
        stage.add_argument("--config-file", required=True, metavar="FILE")
    for stage, size in ((infer, [480, 640]), (detectors, [480, 640]), (assign, [800, 1344]), (candidates, [800, 1344])):
        stage.add_argument("--size", type=at_least(1), nargs=2, default=size, metavar=("HEIGHT", "WIDTH"))
    nine = [(stage, 9) for stage in (infer, detectors, assign, candidates)]
    for stage, repeats in (*nine, (losses, 5), (startup, 5), (predict, 99)):
        stage.add_argument("--repeats", type=at_least(1), default=repeats, help="repeats of each implementation")
    for stage in (losses, step, infer, detectors, assign, candidates):
        stage.add_argument("--device", help="cpu or cuda; by default that of the config, or the CPU")
    for stage in (step, infer, data, startup, study):
        stage.add_argument("opts", nargs="*", metavar="key=value", help="overrides of the config")
    for stage in stages.choices.values():
        stage.add_argument("--json", action="store_true", help="print JSON in place of a table")
        stage.add_argument("--output", type=Path, help="JSON file to write")


def _check(args: argparse.Namespace) -> str:
    """What is wrong with --sweep, found before minutes of measuring; empty if nothing is."""
    if args.stage != "infer" or not args.sweep:
        return ""
    if args.sweep.suffix not in (".svg", ".png"):
        return f"--sweep must end in .svg or .png, got {args.sweep}"
    return "--sweep varies the batch itself: leave --batch out" if args.batch != 1 else ""


@command("benchmark", _GROUP, "losses focal softmax_ce", _arguments, check=_check)
def _benchmark(args: argparse.Namespace) -> None:
    """Measure time and memory of losses, steps, inference and more, relative to Detectron2 and torchvision."""
    import json

    from retina_plugin.config import ConfigError
    from retina_plugin.config.device import why_unavailable
    from retina_plugin.files import write_json
    from retina_plugin.inference.images import check_file

    device = getattr(args, "device", None)
    if device is not None and (reason := why_unavailable(device)):
        raise ConfigError(f"--device {device} is not available: {reason}")
    for path in filter(None, (args.output, getattr(args, "sweep", None))):
        check_file(path)
    from .stages import STAGES

    result, text = STAGES[args.stage](args)
    print(json.dumps(result, indent=2) if args.json else text)
    if args.output:
        write_json(args.output, result)


MEASURING = (_benchmark,)
