"""Times of several implementations of one task, measured in turn so that a slow moment affects all of them."""

import logging
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

import torch
from tabulate import tabulate

logger = logging.getLogger(__name__)
Side = TypeVar("Side")
WARM_UP = 2
Times = dict[str, dict[str, float]]
"""Measured values by side: `seconds`, ratios to the first side, and more, see `format_times`."""
_COLUMNS = {
    "seconds": ("seconds", ".4f"),
    "ratio": ("ratio", ".3f"),
    "range": ("range", ""),
    "gflop": ("GFLOP", ".1f"),
    "gflop_per_s": ("GFLOP/s", ".0f"),
    "of_machine": ("of machine", ".0%"),
    "peak_mb": ("peak MB", ".0f"),
    "proposals": ("proposals", ".0f"),
}


def build_sides(builders: Mapping[str, Callable[[], Side]]) -> dict[str, Side]:
    """What the builders return, by side. A side that cannot be built is left out, with a warning.

    Raises:
        ValueError: if the first side, which all others are compared with, cannot be built.
    """
    sides: dict[str, Side] = {}
    for name, build in builders.items():
        try:
            sides[name] = build()
        except ValueError as e:
            if not sides:
                raise
            logger.warning("%s is left out: %s", name, e)
    return sides


def time_in_turn(sides: Mapping[str, Callable[[], Any]], repeats: int) -> Times:
    """Time all sides in `repeats` rounds, after `WARM_UP` rounds that are not counted; returns their `summary_of`."""
    rounds = [{name: seconds_of(run) for name, run in sides.items()} for _ in range(repeats + WARM_UP)]
    return summary_of(rounds[WARM_UP:])


def summary_of(rounds: Sequence[Mapping[str, float]]) -> Times:
    """By side, the median seconds, and the median, lowest and highest ratio to the first side in the same round."""
    first = next(iter(rounds[0]))
    found = {}
    for name in rounds[0]:
        ratios = [one[name] / one[first] for one in rounds]
        found[name] = {
            "seconds": statistics.median(one[name] for one in rounds),
            "ratio": statistics.median(ratios),
            "lowest": min(ratios),
            "highest": max(ratios),
        }
    return found


def format_times(result: Mapping[str, Mapping[str, float]]) -> str:
    """The result as a text table with a column for every measured value; rows without a ratio are the machine's."""
    first = next(iter(result))
    with_range = {
        name: x | ({"range": f"{x['lowest']:.3f} to {x['highest']:.3f}"} if "ratio" in x else {})
        for name, x in result.items()
    }
    columns = [key for key in _COLUMNS if any(key in row for row in with_range.values())]
    rows = [
        [name, *(format(row[key], _COLUMNS[key][1]) if key in row else "" for key in columns)]
        for name, row in with_range.items()
    ]
    heads = [f"/ {first}" if key == "ratio" else _COLUMNS[key][0] for key in columns]
    return tabulate(rows, ["", *heads], disable_numparse=True)


def seconds_of(run: Callable[[], Any]) -> float:
    """Seconds that a function takes, including its work on a GPU but not work that was queued there before."""
    _wait()
    start = time.perf_counter()
    run()
    _wait()
    return time.perf_counter() - start


def _wait() -> None:
    if torch.cuda.is_initialized():
        torch.cuda.synchronize()  # a GPU computes asynchronously
