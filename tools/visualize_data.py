#!/usr/bin/env python
"""Draw the training data of a config as annotated, or as the model gets them."""

import argparse

from retina_plugin.commands.visualize_data import visualize_data
from retina_plugin.config import load_config
from retina_plugin.engine.cli import exit_with, parse_with_overrides


def main() -> None:
    """Draw the data of the config of the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--config-file", required=True, metavar="FILE")
    parser.add_argument("--source", choices=["annotation", "dataloader"], default="annotation")
    parser.add_argument("--output-dir", default="./output/data", metavar="DIR")
    parser.add_argument("--num-images", type=int, default=16)
    args = parse_with_overrides(parser)
    cfg = load_config(args.config_file, args.opts)
    written = visualize_data(cfg, args.output_dir, args.source, args.num_images)
    print(f"{len(written)} pictures are in {args.output_dir}")


if __name__ == "__main__":
    exit_with(main)
