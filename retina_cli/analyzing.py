"""Commands that look inside: the loss of a detector, its anchors, its errors."""

import argparse

from .arguments import Command, add_trust_flags, at_least

_GROUP = "look inside"


def _imbalance_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--run", nargs="+", required=True, metavar="DIR", help="run folders, shown beside each other")
    parser.add_argument("--weights", metavar="FILE", help="another checkpoint than the run's final one")
    parser.add_argument("--split", choices=["test", "train"], default="test")
    parser.add_argument("--max-images", type=at_least(1), metavar="N", help="the first images only")
    parser.add_argument(
        "--losses",
        nargs="+",
        default=(),
        metavar="NAME",
        help="losses of configs/common/losses.py; by default cross entropy and focal loss with gamma .5, 1 and 2",
    )
    parser.add_argument("--output", metavar="DIR", help="by default RUN/imbalance")
    parser.add_argument("--gallery", type=at_least(0), default=24, metavar="N", help="hard background anchors to draw")
    parser.add_argument(
        "--target-background-share",
        type=float,
        default=0.5,
        metavar="SHARE",
        help="the advisor finds alpha for which background holds this share of the gradient",
    )
    parser.add_argument("--write-study", metavar="FILE", help="write a study that tests the advisor's hint by training")
    add_trust_flags(parser)


def _imbalance(args: argparse.Namespace) -> None:
    from retina_plugin.commands.analysis.analyze_imbalance import analyze_imbalance

    page, sentences = analyze_imbalance(
        args.run,
        args.output,
        args.weights,
        args.split,
        args.max_images,
        args.losses,
        args.gallery,
        args.target_background_share,
        args.write_study,
        args.trust,
    )
    print("\n".join([*sentences, f"The page is {page}"]))


def _anchors_arguments(parser: argparse.ArgumentParser) -> None:
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--config-file", metavar="FILE")
    source.add_argument("--run", metavar="DIR", help="run folder; its config, without its weights")
    parser.add_argument("--split", choices=["train", "test"], default="train", help="whose boxes")
    parser.add_argument("--output", default="./output/anchors", metavar="DIR")
    parser.add_argument("--search", action="store_true", help="search anchors that match more boxes")
    parser.add_argument(
        "--levels",
        nargs="+",
        default=(),
        metavar="LEVEL",
        help="levels that the search may use, such as p2 p3 p4; by default the config's",
    )
    parser.add_argument(
        "--max-anchors",
        type=float,
        metavar="N",
        help="most anchors per image (mean) for the search; by default as many as now",
    )
    parser.add_argument("--images", type=at_least(0), default=4, metavar="N", help="number of pictures")
    parser.add_argument(
        "--max-images",
        type=at_least(1),
        default=1000,
        metavar="N",
        help="images whose boxes are matched; of more, a random sample",
    )
    add_trust_flags(parser)


def _check_anchors(args: argparse.Namespace) -> str:
    """What is wrong if limits of a search are given without one; empty if nothing is."""
    limits = {"--levels": args.levels, "--max-anchors": args.max_anchors is not None}
    given = [flag for flag, value in limits.items() if value and not args.search]
    return f"{' and '.join(given)} limit the search: add --search" if given else ""


def _anchors(args: argparse.Namespace) -> None:
    from retina_plugin.analysis.anchors.page import write_summary
    from retina_plugin.commands.analysis.analyze_anchors import PAGE, analyze_anchors
    from retina_plugin.config import load_config
    from retina_plugin.run_folder import read_config

    cfg = read_config(args.run, args.opts, args.trust) if args.run else load_config(args.config_file, args.opts)
    result = analyze_anchors(
        cfg,
        args.output,
        args.run or args.config_file,
        args.split,
        args.search,
        args.levels,
        args.max_anchors,
        args.images,
        args.max_images,
    )
    print(write_summary(result))
    print(f"\npictures are in {args.output}/{PAGE}")


def _errors_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--run", nargs="+", required=True, metavar="DIR", help="a run folder, or seeds of a variant")
    parser.add_argument("--other", nargs="+", default=(), metavar="DIR", help="as many runs to compare them with")
    parser.add_argument("--output", metavar="DIR", help="folder for errors.html and errors.json; by default RUN/errors")
    parser.add_argument("--iou", type=float, default=0.5, help="from which a detection is correct")
    parser.add_argument(
        "--score-thresh",
        type=float,
        help="least score of the detections in tables and pictures; by default that with the best F1",
    )
    parser.add_argument("--max-images", type=at_least(0), default=500, help="of which anchors are computed")
    add_trust_flags(parser)


def _errors(args: argparse.Namespace) -> None:
    from retina_plugin.commands.analysis.analyze_errors import analyze_errors

    print(analyze_errors(args.run, args.output, args.iou, args.score_thresh, args.max_images, args.trust, args.other))


ANALYZING = (
    Command(
        "analyze-imbalance",
        _GROUP,
        "show who holds the loss of a detector: figure 4 of the focal loss paper, and the hardest background",
        "--run RUN",
        _imbalance_arguments,
        _imbalance,
    ),
    Command(
        "analyze-anchors",
        _GROUP,
        "show which objects the anchors of a config can match, the AP that allows, and, with --search, better anchors",
        "--config-file quick/retinanet_tiny_synthetic.py --search",
        _anchors_arguments,
        _anchors,
        has_overrides=True,
        check=_check_anchors,
    ),
    Command(
        "analyze-errors",
        _GROUP,
        "show what costs a run AP: errors by type, class and size, and the anchors behind them; or compare variants",
        "--run A/seed0 A/seed1 --other B/seed0 B/seed1 --output compared",
        _errors_arguments,
        _errors,
    ),
)
