"""Commands that draw: detections, runs side by side, training data, losses."""

import argparse
import sys
from typing import Any

from .arguments import add_trust_flags, at_least, command, share

_GROUP = "look at detections, data and losses"


def _predict_arguments(parser: argparse.ArgumentParser) -> None:
    model = parser.add_mutually_exclusive_group(required=True)
    model.add_argument("--run", metavar="DIR", help="a run folder, whose config and final weights are used")
    model.add_argument("--config-file", metavar="FILE", help="a config, with --weights")
    parser.add_argument("--weights", metavar="FILE", help="a checkpoint other than the final one of the run")
    parser.add_argument(
        "--input", nargs="+", required=True, help="images and videos: files, folders, glob patterns; cameras: camera:0"
    )
    parser.add_argument("--output", required=True, metavar="DIR")
    parser.add_argument("--score-thresh", type=share, help="minimum score to draw; by default the one with the best F1")
    parser.add_argument("--coco-json", metavar="FILE", help="COCO json from which the image ids are taken")
    parser.add_argument(
        "--every", type=at_least(1), default=1, metavar="N", help="of videos, examine only every Nth frame"
    )
    parser.add_argument("--no-drawings", action="store_true", help="write json files only, which takes less time")
    parser.add_argument(
        "--dtype",
        choices=["float32", "bfloat16", "auto"],
        default="float32",
        help="bfloat16 is faster on processors with instructions for it, which auto finds out (default: float32)",
    )
    add_trust_flags(parser)


def _check_predict(args: argparse.Namespace) -> str:
    return "--config-file needs --weights" if args.config_file and not args.weights else ""


@command(
    "predict",
    _GROUP,
    "--run RUN --input photo.jpg folder/ film.mp4 camera:0 --output found",
    _predict_arguments,
    has_overrides=True,
    check=_check_predict,
)
def _predict(args: argparse.Namespace) -> None:
    """Detect objects in images, videos and cameras; writes drawings and a json in COCO's results format."""
    from retina_plugin.commands import predict as of
    from retina_plugin.config import load_config
    from retina_plugin.inference import LazyPredictor
    from retina_plugin.inference.failures import Failures
    from retina_plugin.inference.images import find_images_and_videos

    if args.run:
        predictor = LazyPredictor.from_run(args.run, args.weights, args.opts, args.trust, args.dtype)
    else:
        predictor = LazyPredictor(load_config(args.config_file, args.opts), args.weights, dtype=args.dtype)
    images, videos = find_images_and_videos(args.input)
    score_thresh, source = args.score_thresh, "as asked"
    if score_thresh is None:
        score_thresh, source = of.choose_threshold(args.run, args.weights)
    ids = of.read_image_ids(args.coco_json) if args.coco_json else None
    failures, of_videos, status, draw = Failures(), Failures("video"), 0, not args.no_drawings
    if images:
        found = of.predict(predictor, list(map(str, images)), args.output, score_thresh, ids, failures, draw)
        print(of.describe_counts(found, score_thresh))
    if videos:
        status = _predict_videos(predictor, videos, args.output, score_thresh, args.every, of_videos, draw)
    written = "Drawings and json files" if draw else "Json files"
    if images or of_videos.has_success:  # without a readable video nothing was written
        print(f"The score threshold is {source}. {written} are in {args.output}")
    failures.raise_if_any(of_videos)
    if status:
        sys.exit(status)


def _predict_videos(
    predictor: Any, videos: list[str], output: str, score_thresh: float, every: int, failures: Any, draw: bool
) -> int:
    """Print what was detected; returns the exit status: 128 + signal if one stopped the videos, else 0.

    A signal during the last video, if that is a camera, is its normal end.
    """
    from retina_plugin.commands.predict_videos import predict_videos
    from retina_plugin.inference.video import is_camera

    seen = predict_videos(predictor, videos, output, score_thresh, every, failures, draw)
    for one in seen:
        print(one)
    stopped = seen[-1].stopped if seen else 0
    is_done = len(seen) == len(videos) and is_camera(videos[-1])
    return 128 + stopped if stopped and not is_done else 0


def _compare_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--runs", nargs="+", required=True, metavar="DIR", help="run folders")
    parser.add_argument("--input", nargs="*", default=(), help="images; by default those of the test data")
    parser.add_argument("--output", required=True, metavar="DIR")
    parser.add_argument("--num-images", type=at_least(1), default=8, help="number of test images (default: 8)")
    parser.add_argument(
        "--score-thresh",
        type=share,
        help="minimum score to draw; by default, for each run, that with its best F1, or .5 before an evaluation",
    )
    add_trust_flags(parser)


@command("compare", _GROUP, "--runs RUN OTHER --output compared", _compare_arguments)
def _compare(args: argparse.Namespace) -> None:
    """Draw the detections of several runs side by side, with ground truth for images of the test data."""
    from retina_plugin.commands.compare import compare

    written = compare(args.runs, args.output, args.input, args.num_images, args.score_thresh, trust=args.trust)
    print(f"pictures in {args.output}: {len(written)}")


def _data_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--config-file", required=True, metavar="FILE")
    parser.add_argument(
        "--source",
        choices=["annotation", "dataloader"],
        default="annotation",
        help="draw images as annotated, or as the model gets them (default: annotation)",
    )
    parser.add_argument(
        "--output-dir",
        default="./output/data",
        metavar="DIR",
        help="pictures are in DIR/SOURCE; by default ./output/data",
    )
    parser.add_argument("--num-images", type=at_least(1), default=16, help="number of pictures (default: 16)")


@command("data", _GROUP, "--config-file CONFIG --source dataloader", _data_arguments, has_overrides=True)
def _data(args: argparse.Namespace) -> None:
    """Draw the training data of a config as annotated, or as the model gets them."""
    from retina_plugin.commands.visualize_data import visualize_data
    from retina_plugin.config import load_config

    cfg = load_config(args.config_file, args.opts)
    written = visualize_data(cfg, args.output_dir, args.source, args.num_images)
    print(f"pictures in {args.output_dir}/{args.source}: {len(written)}")


def _losses_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("names", nargs="*", help="losses to draw over the logit; by default all")
    parser.add_argument("--output-dir", default="output/losses", metavar="DIR", help="by default output/losses")
    parser.add_argument("--format", choices=["png", "svg"], default="png")


@command("losses", _GROUP, "focal sigmoid_ce --format svg", _losses_arguments)
def _losses(args: argparse.Namespace) -> None:
    """Plot the losses of configs/common/losses.py over the logit, and figures of the focal loss paper."""
    from retina_plugin.analysis.loss_curves import save_figures
    from retina_plugin.analysis.named_losses import named_losses

    for path in save_figures(named_losses(args.names), args.output_dir, args.format):
        print(path)


LOOKING = (_predict, _compare, _data, _losses)
