#!/usr/bin/env python
"""Write only the weights of a checkpoint to a .safetensors or .pth file."""

import argparse

from retina_plugin.commands.convert import convert_weights
from retina_plugin.engine.cli import exit_with


def main() -> None:
    """Convert the file of the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("source", metavar="IN", help="a checkpoint; no code in it is run")
    parser.add_argument("target", metavar="OUT", help="a .safetensors or .pth file")
    parser.add_argument("--overwrite", action="store_true", help="replace OUT if it exists")
    args = parser.parse_args()
    count = convert_weights(args.source, args.target, args.overwrite)
    print(f"{count} tensors are in {args.target}")


if __name__ == "__main__":
    exit_with(main)
