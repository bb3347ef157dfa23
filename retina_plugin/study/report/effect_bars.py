"""Verdicts as bars: the interval of a difference, to the right of the centre where the hypothesis holds."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from ..statistics.verdict import Verdict

__all__ = ["EffectBar", "effect_bars"]

_HALF = 48  # percent of the width, on each side of the centre, for the widest interval


@dataclass(frozen=True)
class EffectBar:
    """Positions in percent of the width; 50 means that the variants do not differ."""

    left: float
    centre: float
    right: float


def effect_bars(verdicts: Sequence[Verdict]) -> list[EffectBar | None]:
    """One bar per verdict, None without an interval. Bars of one metric share a scale."""
    widest: dict[str, float] = {}
    for v in verdicts:
        if not math.isnan(v.difference.low):
            ends = (abs(v.difference.low), abs(v.difference.high), widest.get(_metric(v), 1e-9))
            widest[_metric(v)] = max(ends)
    return [_bar(v, widest.get(_metric(v), math.nan)) for v in verdicts]


def _metric(verdict: Verdict) -> str:
    return verdict.hypothesis.metric.name


def _bar(verdict: Verdict, widest: float) -> EffectBar | None:
    d = verdict.difference
    if math.isnan(d.low):
        return None
    scale = _HALF / widest if verdict.hypothesis.metric.higher_is_better else -_HALF / widest
    left, right = sorted((50 + scale * d.low, 50 + scale * d.high))
    return EffectBar(left, 50 + scale * d.mean, right)
