"""Verdicts as bars: the interval of a difference, to the right of the centre where the hypothesis holds."""

from __future__ import annotations

import math
from collections.abc import Sequence

from ..statistics.verdict import Verdict

__all__ = ["effect_bars"]

_HALF = 48  # percent of the width, from the centre to the end of the widest interval


def effect_bars(verdicts: Sequence[Verdict]) -> list[dict[str, float] | None]:
    """By verdict, left, centre and right of its bar in percent of the width; None without an interval.

    50 means that the variants do not differ. Bars of one metric have the same scale.
    """
    known = [v for v in verdicts if not math.isnan(v.difference.low)]
    widest: dict[str, float] = {}
    for v in known:
        ends = (abs(v.difference.low), abs(v.difference.high), widest.get(_metric(v), 1e-9))
        widest[_metric(v)] = max(ends)
    return [_bar(v, _HALF / widest[_metric(v)]) if v in known else None for v in verdicts]


def _metric(verdict: Verdict) -> str:
    return verdict.hypothesis.metric.name


def _bar(verdict: Verdict, scale: float) -> dict[str, float]:
    d, sign = verdict.difference, 1 if verdict.hypothesis.metric.higher_is_better else -1
    left, centre, right = sorted(50 + sign * scale * x for x in (d.low, d.mean, d.high))
    return {"left": left, "centre": centre, "right": right}
