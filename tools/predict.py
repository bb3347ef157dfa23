#!/usr/bin/env python
"""Detect objects in images with a trained run; writes drawings and a json in COCO's results format."""

import argparse

from retina_plugin.commands.predict import load_predictor, predict, read_image_ids
from retina_plugin.engine.cli import add_trust_flags, exit_with, parse_with_overrides


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
    add_trust_flags(parser)
    args = parse_with_overrides(parser)
    if args.config_file and not args.weights:
        parser.error("--config-file needs --weights")
    return args


def main() -> None:
    """Detect as the command line says."""
    args = parse_args()
    predictor = load_predictor(args.run, args.config_file, args.weights, args.opts, args.trust)
    ids = read_image_ids(args.coco_json) if args.coco_json else None
    found = predict(predictor, args.input, args.output, args.score_thresh, ids)
    print(f"{len(found)} detections: drawings and detections.json are in {args.output}")


if __name__ == "__main__":
    exit_with(main)
