#!/usr/bin/env python
"""The paper's pictures of its losses, and any losses of configs/common/losses.py over the logit."""

from __future__ import annotations

import argparse

from retina_plugin.analysis.loss_curves import save_figures
from retina_plugin.analysis.named_losses import named_losses
from retina_plugin.engine.cli import exit_with


def main() -> None:
    """Parse the arguments, draw, say where the pictures are."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", help="losses for the logit view; all by default")
    parser.add_argument("--output-dir", default="output/losses")
    parser.add_argument("--format", choices=["png", "svg"], default="png")
    args = parser.parse_args()
    for path in save_figures(named_losses(args.names), args.output_dir, args.format):
        print(path)


if __name__ == "__main__":
    exit_with(main)
