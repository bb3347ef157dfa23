"""Times of several ways to do the same, measured in turn so that a slow moment meets all of them."""

import statistics
import time
from collections.abc import Callable, Mapping
from typing import Any

from tabulate import tabulate

WARM_UP = 2


def time_in_turn(sides: Mapping[str, Callable[[], Any]], repeats: int) -> dict[str, dict[str, float]]:
    """By side, the median of its seconds, and the median, lowest and highest ratio to the first side of one round.

    `WARM_UP` rounds before the `repeats` are not counted.
    """
    rounds = [{name: _seconds(run) for name, run in sides.items()} for _ in range(repeats + WARM_UP)][WARM_UP:]
    first = next(iter(sides))
    found = {}
    for name in sides:
        ratios = [one[name] / one[first] for one in rounds]
        found[name] = {
            "seconds": statistics.median(one[name] for one in rounds),
            "ratio": statistics.median(ratios),
            "lowest": min(ratios),
            "highest": max(ratios),
        }
    return found


def format_times(result: Mapping[str, Mapping[str, float]]) -> str:
    """The result as a text table."""
    first = next(iter(result))
    rows = [
        [name, f"{x['seconds']:.4f}", f"{x['ratio']:.3f}", f"{x['lowest']:.3f} to {x['highest']:.3f}"]
        for name, x in result.items()
    ]
    return tabulate(rows, ["", "seconds", f"/ {first}", "range"], disable_numparse=True)


def _seconds(run: Callable[[], Any]) -> float:
    start = time.perf_counter()
    run()
    return time.perf_counter() - start
