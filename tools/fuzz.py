#!/usr/bin/env python
"""Try hostile files, folders and settings, print what did not hold, and write a table of what is promised.

Every try runs in a process of its own with limits of time and memory. They are defined in tests/hostile/.
"""

import argparse
import importlib
import itertools
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "tests"))

from hostile.fuzz import mutated
from hostile.tries import MEMORY, SECONDS, Try, run_try

_PARTS = ("configs", "weights", "data", "runs")
_TABLE = f"""# What hostile input cannot do

Written by `python tools/fuzz.py --minutes {{minutes:g}} --seed {{seed}} --table docs/robustness.md`.

This page lists hostile and damaged files, folders and settings that were tried, and how many of the promises held.
Each try ran in a process of its own. It held if it ended as promised within {SECONDS} s and {MEMORY >> 20} MB, without
a crash or a traceback. A refusal must be one message without control characters. `tests/hostile/` defines the tries.

| what is promised | tries | held |
|---|---|---|
{{rows}}

Besides, a file of a random try was changed at random, {{changed}} times: {{changed_held}} held.
"""


def parse_args() -> argparse.Namespace:
    """The parsed command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=0, help="time for random changes, after all defined tries")
    parser.add_argument("--seed", type=int, default=0, help="seed of the random changes")
    parser.add_argument("--only", nargs="*", choices=_PARTS, default=_PARTS, help="parts to try")
    parser.add_argument("--table", metavar="FILE", help="write the table of promises into this file")
    return parser.parse_args()


def held(tried: Try) -> bool:
    """Run one try, and print what went wrong; returns whether it held."""
    with tempfile.TemporaryDirectory() as folder:
        wrong = run_try(tried, Path(folder))
    if wrong:
        print(f"{tried.group}: {tried.name} {wrong}", flush=True)
    return not wrong


def main() -> int:
    """Run the tries; returns the number of those that did not hold."""
    args = parse_args()
    tries = [tried for part in args.only for tried in importlib.import_module(f"hostile.{part}").tries()]
    done, good = Counter(), Counter()
    for tried in tries:
        done[tried.group] += 1
        good[tried.group] += held(tried)
    end, changed = time.monotonic() + 60 * args.minutes, []
    for tried in itertools.takewhile(lambda _: time.monotonic() < end, mutated(tries, args.seed)):
        changed.append(held(tried))
    rows = "\n".join(f"| {group} | {done[group]} | {good[group]} |" for group in done)
    print(f"{good.total()} of {done.total()} tries and {sum(changed)} of {len(changed)} random changes held")
    if args.table:
        counts = {"changed": len(changed), "changed_held": sum(changed)}
        Path(args.table).write_text(_TABLE.format(minutes=args.minutes, seed=args.seed, rows=rows, **counts))
    return done.total() - good.total() + len(changed) - sum(changed)


if __name__ == "__main__":
    sys.exit(main() > 0)
