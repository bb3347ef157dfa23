"""Commands that check a config, its data or a run."""

import argparse
import sys

from .arguments import add_trust_flags, at_least, command

_GROUP = "check a config or a run"


def _doctor_arguments(parser: argparse.ArgumentParser) -> None:
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--config-file", metavar="FILE", help="a config, before training")
    what.add_argument("--run", metavar="DIR", help="a run folder, after training")
    parser.add_argument("--quick", action="store_true", help="only checks that read no image and build no model")
    parser.add_argument("--json", action="store_true", help="print the findings as json")
    add_trust_flags(parser)


def _check_doctor(args: argparse.Namespace) -> str:
    return "--quick and overrides go with --config-file" if args.run and (args.opts or args.quick) else ""


@command(
    "doctor",
    _GROUP,
    "--config-file quick/retinanet_tiny_synthetic.py train.max_iter=120",
    _doctor_arguments,
    has_overrides=True,
    check=_check_doctor,
)
def _doctor(args: argparse.Namespace) -> None:
    """Say what is wrong with a config, its data or a run, and what to do; exit status 1 with an error or a warning."""
    from retina_plugin.commands.analysis.doctor import as_text, doctor, doctor_of_run, is_sound

    if args.run:
        findings = doctor_of_run(args.run, args.trust)
    else:
        findings = doctor(args.config_file, args.opts, args.quick, args.trust)
    print(as_text(findings, args.json, args.run))
    if not is_sound(findings):
        sys.exit(1)


def _report_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run", metavar="RUN", help="a run folder")
    parser.add_argument("--output", metavar="FILE", help="the page; by default RUN/report.html")
    parser.add_argument("--max-images", type=at_least(0), default=500, help="images whose anchors are computed (500)")
    add_trust_flags(parser)


@command("report", _GROUP, "RUN", _report_arguments)
def _report(args: argparse.Namespace) -> None:
    """Write a page about a run: curves, errors, the findings of the doctor, config."""
    from retina_plugin.analysis.run_report import write_run_report

    print(f"The page is {write_run_report(args.run, args.output, args.max_images, args.trust)}")


CHECKING = (_report, _doctor)
