#!/usr/bin/env python
"""Simulate studies whose truth is known, and print how often verdicts are wrong; or add study folders to the bank."""

import argparse

from retina_plugin.commands.simulate_studies import add_to_bank, simulate_studies
from retina_plugin.engine.cli import exit_with


def main() -> None:
    """Print the tables, or what was added to the bank."""
    parser = argparse.ArgumentParser(description=__doc__)
    actions = parser.add_subparsers(dest="action", required=True)
    tables = actions.add_parser("tables", help="print tables in Markdown")
    tables.add_argument(
        "--studies", type=int, default=20000, help="simulated studies per line, a twentieth with images"
    )
    tables.add_argument("--seeds", type=int, nargs="+", default=[2, 3, 4, 5], help="seeds per study")
    tables.add_argument("--seed", type=int, default=0, help="of the simulation")
    bank = actions.add_parser("bank", help="add the spreads of studies with several seeds to the bank of this package")
    bank.add_argument("folders", nargs="+", metavar="DIR", help="study folders")
    args = parser.parse_args()
    if args.action == "bank":
        for entry in add_to_bank(args.folders):
            print(f"{entry['study']}, {entry['variant']}: {', '.join(entry['metrics'])}")
        return
    for line in simulate_studies(args.studies, args.seeds, args.seed):
        print(line, flush=True)


if __name__ == "__main__":
    exit_with(main)
