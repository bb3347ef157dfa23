#!/usr/bin/env python
"""Say what is wrong with a config, its data or a finished run, and what to do; status 1 if there is something."""

import argparse
import sys

from retina_plugin.commands.doctor import as_text, doctor, doctor_of_run, is_sound
from retina_plugin.engine.cli import add_trust_flags, exit_with, parse_with_overrides


def main() -> None:
    """Examine what the command line names."""
    parser = argparse.ArgumentParser(description=__doc__)
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--config-file", metavar="FILE", help="a config to train")
    what.add_argument("--run", metavar="DIR", help="a run folder")
    parser.add_argument("--quick", action="store_true", help="read no image and build no model")
    parser.add_argument("--json", action="store_true", help="print a list of findings in json")
    add_trust_flags(parser)
    args = parse_with_overrides(parser)
    if args.run and (args.opts or args.quick):
        parser.error("--quick and overrides go with --config-file")
    if args.run:
        findings = doctor_of_run(args.run, args.trust)
    else:
        findings = doctor(args.config_file, args.opts, args.quick, args.trust)
    print(as_text(findings, args.json))
    if not is_sound(findings):
        sys.exit(1)


if __name__ == "__main__":
    exit_with(main)
