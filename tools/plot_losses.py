#!/usr/bin/env python
"""Plot the losses of configs/common/losses.py over the logit, and figures of the focal loss paper."""

from __future__ import annotations

import argparse

from retina_plugin.analysis.loss_curves import save_figures
from retina_plugin.analysis.named_losses import named_losses
from retina_plugin.engine.cli import exit_with


def main() -> None:
    """Plot the losses of the command line and print the paths of the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", help="losses for the logit view; all by default")
    parser.add_argument("--output-dir", default="output/losses")
    parser.add_argument("--format", choices=["png", "svg"], default="png")
    args = parser.parse_args()
    for path in save_figures(named_losses(args.names), args.output_dir, args.format):
        print(path)


if __name__ == "__main__":
    exit_with(main)
