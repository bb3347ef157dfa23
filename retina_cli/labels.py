"""Commands about annotations: find and repair faults, and plant faults to measure how many are found."""

import argparse

from .arguments import add_trust_flags, at_least, command

_GROUP = "repair labels"


def _find_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--run", required=True, metavar="DIR", help="run folder; its detector may be trained on the faulty annotations"
    )
    parser.add_argument("--split", choices=["train", "test"], default="train", help="data of the run to examine")
    parser.add_argument("--data-set", metavar="NAME", help="one of the data sets of the split, if it has several")
    parser.add_argument(
        "--output", default="./output/label_errors", metavar="DIR", help="by default ./output/label_errors"
    )
    parser.add_argument("--limit", type=at_least(0), default=500, metavar="N", help="number of proposals to list (500)")
    parser.add_argument(
        "--accept",
        metavar="all|N|FILE",
        help="write a repaired copy with these proposals: all of strength above 0, the first N, or the ids in FILE",
    )
    add_trust_flags(parser)


@command("find-label-errors", _GROUP, "--run RUN --output labels --accept ids.txt", _find_arguments)
def _find(args: argparse.Namespace) -> None:
    """Find missing, wrong, misplaced and spurious annotations with a detector; --accept writes a repaired copy."""
    from collections import Counter

    from retina_plugin.commands.analysis.find_label_errors import find_label_errors

    found = find_label_errors(args.run, args.output, args.split, args.limit, args.accept, args.trust, args.data_set)
    kinds = ", ".join(f"{number} {kind}" for kind, number in Counter(p.kind for p in found).most_common())
    print(f"{len(found)} proposals{f' ({kinds})' if kinds else ''} are in {args.output}/labels.html")


def _plant_arguments(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", required=True)
    plant = actions.add_parser("plant", help="delete 5 %% of the boxes, give 2 %% a wrong class, move 2 %%")
    plant.add_argument("--json", required=True, metavar="FILE", help="annotations, which stay as they are")
    plant.add_argument("--output", required=True, metavar="DIR", help="for instances.json and faults.json")
    plant.add_argument("--seed", type=at_least(0), default=0)
    count = actions.add_parser("count", help="print how many of the planted faults the first proposals find")
    count.add_argument("--faults", required=True, metavar="FILE", help="the faults.json that plant wrote")
    count.add_argument("--proposals", required=True, metavar="FILE", help="a proposals.json")
    count.add_argument(
        "--right",
        metavar="FILE",
        help="write the ids of the proposals that mend a fault, for --accept of find-label-errors",
    )


@command("plant-label-errors", _GROUP, "plant --json instances.json --output planted", _plant_arguments)
def _plant(args: argparse.Namespace) -> None:
    """Plant faults in a copy of a COCO json, or count how many of them find-label-errors has found."""
    from retina_plugin.commands.analysis.plant_label_errors import count_found, plant_label_errors

    if args.action == "count":
        print(count_found(args.faults, args.proposals, args.right))
    else:
        planted = plant_label_errors(args.json, args.output, args.seed)
        print(f"{len(planted)} faults are in {args.output}/instances.json")


LABELS = (_find, _plant)
