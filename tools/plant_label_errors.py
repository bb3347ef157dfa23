#!/usr/bin/env python
"""Plant faults in a copy of a COCO json, or count how many of them find_label_errors.py has found."""

import argparse

from retina_plugin.commands.plant_label_errors import count_found, plant_label_errors
from retina_plugin.engine.cli import exit_with


def main() -> None:
    """Plant or count as the command line says."""
    parser = argparse.ArgumentParser(description=__doc__)
    actions = parser.add_subparsers(dest="action", required=True)
    plant = actions.add_parser("plant", help="delete 5 %% of the boxes, give 2 %% a wrong class, move 2 %%")
    plant.add_argument("--json", required=True, metavar="FILE", help="annotations, which stay as they are")
    plant.add_argument("--output", required=True, metavar="DIR", help="for instances.json and faults.json")
    plant.add_argument("--seed", type=int, default=0)
    count = actions.add_parser("count", help="print how many of the faults the first proposals name")
    count.add_argument("--faults", required=True, metavar="FILE", help="the faults.json that plant wrote")
    count.add_argument("--proposals", required=True, metavar="FILE", help="a proposals.json")
    args = parser.parse_args()
    if args.action == "count":
        print(count_found(args.faults, args.proposals))
    else:
        planted = plant_label_errors(args.json, args.output, args.seed)
        print(f"{len(planted)} faults are in {args.output}/instances.json")


if __name__ == "__main__":
    exit_with(main)
