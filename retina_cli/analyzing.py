"""Commands that look inside: the loss of a detector, its anchors, its errors."""

import argparse

from .arguments import add_trust_flags, at_least, command

_GROUP = "look inside"


def _imbalance_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--run", nargs="+", required=True, metavar="DIR", help="run folders to analyze, side by side")
    parser.add_argument("--weights", metavar="FILE", help="a checkpoint other than the final one of the run")
    parser.add_argument("--split", choices=["test", "train"], default="test", help="images to analyze (default: test)")
    parser.add_argument("--max-images", type=at_least(1), metavar="N", help="analyze only the first N images")
    parser.add_argument(
        "--losses",
        nargs="+",
        default=(),
        metavar="NAME",
        help="names in configs/common/losses.py; by default cross entropy and focal loss with gamma .5, 1 and 2",
    )
    parser.add_argument("--output", metavar="DIR", help="folder for the page; by default RUN/imbalance")
    parser.add_argument(
        "--gallery", type=at_least(0), default=24, metavar="N", help="hard background anchors to draw (24)"
    )
    parser.add_argument(
        "--target-background-share",
        type=float,
        default=0.5,
        metavar="SHARE",
        help="share of the gradient that background should have; the advisor finds the alpha for it (default: 0.5)",
    )
    parser.add_argument("--write-study", metavar="FILE", help="write a study that trains with the alpha of the advisor")
    add_trust_flags(parser)


@command("analyze-imbalance", _GROUP, "--run RUN", _imbalance_arguments)
def _imbalance(args: argparse.Namespace) -> None:
    """Show which anchors the loss comes from: figure 4 of the focal loss paper, and the hardest background."""
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
    source.add_argument("--run", metavar="DIR", help="a run folder, whose config is used; weights are not needed")
    parser.add_argument("--split", choices=["train", "test"], default="train", help="data whose boxes are matched")
    parser.add_argument("--output", default="./output/anchors", metavar="DIR", help="by default ./output/anchors")
    parser.add_argument("--search", action="store_true", help="search for anchors that match more boxes")
    parser.add_argument(
        "--levels",
        nargs="+",
        default=(),
        metavar="LEVEL",
        help="levels that the search may use, such as p2 p3 p4; by default those of the config",
    )
    parser.add_argument(
        "--max-anchors",
        type=float,
        metavar="N",
        help="largest mean number of anchors per image for the search; by default that of the config",
    )
    parser.add_argument("--images", type=at_least(0), default=4, metavar="N", help="number of pictures")
    parser.add_argument(
        "--max-images",
        type=at_least(1),
        default=1000,
        metavar="N",
        help="number of images whose boxes are matched; a random sample if there are more (default: 1000)",
    )
    add_trust_flags(parser)


def _check_anchors(args: argparse.Namespace) -> str:
    """What is wrong if limits of a search are given without one; empty if nothing is."""
    limits = {"--levels": args.levels, "--max-anchors": args.max_anchors is not None}
    given = [flag for flag, value in limits.items() if value and not args.search]
    return f"{' and '.join(given)} limit the search: add --search" if given else ""


@command(
    "analyze-anchors",
    _GROUP,
    "--config-file quick/retinanet_tiny_synthetic.py --search",
    _anchors_arguments,
    has_overrides=True,
    check=_check_anchors,
)
def _anchors(args: argparse.Namespace) -> None:
    """Show which objects the anchors can match, and the AP that this allows; --search finds better anchors."""
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
    parser.add_argument(
        "--run", nargs="+", required=True, metavar="DIR", help="run folder, or one per seed of a variant"
    )
    parser.add_argument("--other", nargs="+", default=(), metavar="DIR", help="as many run folders of another variant")
    parser.add_argument("--output", metavar="DIR", help="folder for errors.html and errors.json; by default RUN/errors")
    parser.add_argument("--iou", type=float, default=0.5, help="least IoU of a correct detection (default: 0.5)")
    parser.add_argument(
        "--score-thresh",
        type=float,
        help="minimum score of the detections in tables and pictures; by default the one with the best F1",
    )
    parser.add_argument("--max-images", type=at_least(0), default=500, help="images whose anchors are computed (500)")
    add_trust_flags(parser)


@command("analyze-errors", _GROUP, "--run A/seed0 A/seed1 --other B/seed0 B/seed1 --output compared", _errors_arguments)
def _errors(args: argparse.Namespace) -> None:
    """Show which errors cost AP, by type, class and size, and the anchors behind them; or compare two variants."""
    from retina_plugin.commands.analysis.analyze_errors import analyze_errors

    print(analyze_errors(args.run, args.output, args.iou, args.score_thresh, args.max_images, args.trust, args.other))


ANALYZING = (_imbalance, _anchors, _errors)
