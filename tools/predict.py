#!/usr/bin/env python
"""Detect objects in images with a trained run; writes drawings and a json in COCO's results format."""

import argparse
import json

from retina_plugin.commands.predict import predict
from retina_plugin.config import load_config
from retina_plugin.engine.cli import exit_with, parse_with_overrides
from retina_plugin.inference.predictor import LazyPredictor


def parse_args() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    model = parser.add_mutually_exclusive_group(required=True)
    model.add_argument("--run", metavar="DIR", help="run folder; its config and final weights")
    model.add_argument("--config-file", metavar="FILE", help="a config, with --weights")
    parser.add_argument("--weights", metavar="FILE", help="a checkpoint other than the run's final")
    parser.add_argument("--input", nargs="+", required=True, help="files, folders, glob patterns")
    parser.add_argument("--output", required=True, metavar="DIR")
    parser.add_argument("--score-thresh", type=float, default=0.5, help="minimum score to draw")
    parser.add_argument("--coco-json", metavar="FILE", help="annotation file that gives the image ids")
    args = parse_with_overrides(parser)
    if args.config_file and not args.weights:
        parser.error("--config-file needs --weights")
    return args


def main() -> None:
    """Detect as the command line says."""
    args = parse_args()
    if args.run:
        predictor = LazyPredictor.from_run(args.run, args.weights, args.opts)
    else:
        predictor = LazyPredictor(load_config(args.config_file, args.opts), args.weights)
    ids = None
    if args.coco_json:
        with open(args.coco_json) as f:
            ids = {image["file_name"]: image["id"] for image in json.load(f)["images"]}
    found = predict(predictor, args.input, args.output, args.score_thresh, ids)
    print(f"{len(found)} detections: drawings and detections.json are in {args.output}")


if __name__ == "__main__":
    exit_with(main)
