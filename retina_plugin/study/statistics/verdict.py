"""What a study says on its hypotheses, in words. The rule is that of `statistics`."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from ..spec.hypothesis import Hypothesis
from .estimate import LEVEL, Estimate, correct_holm
from .measurements import Measurements

__all__ = ["Verdict", "judge", "signed"]

BETTER, WORSE, ALIKE, NONE = "better", "worse", "not distinguishable", "no verdict"


@dataclass(frozen=True)
class Verdict:
    """The answer to one hypothesis.

    Attributes:
        hypothesis: what was asked.
        outcome: "better", "worse", "not distinguishable", or "no verdict" where seeds or the metric are missing.
        headline: the answer in a line.
        text: effect, interval, what it rests on and what it does not say.
        difference: of the hypothesis' first variant to its second.
        p_corrected: after Holm for all hypotheses of the study.
        num_comparisons: how many those are.
    """

    hypothesis: Hypothesis
    outcome: str
    headline: str
    text: str
    difference: Estimate
    p_corrected: float
    num_comparisons: int


def judge(measurements: Measurements, hypotheses: Sequence[Hypothesis]) -> list[Verdict]:
    """Answer every hypothesis; p-values are corrected for all that can be answered."""
    differences = [measurements.difference(h.better, h.than, h.metric) for h in hypotheses]
    p_values = correct_holm([d.p_value for d in differences])
    count = sum(not math.isnan(p) for p in p_values)
    return [
        _verdict(h, d, p, count) for h, d, p in zip(hypotheses, differences, p_values, strict=True)
    ]


def _verdict(hypothesis: Hypothesis, difference: Estimate, p: float, count: int) -> Verdict:
    if math.isnan(p):
        outcome, text = NONE, _why_none(hypothesis, difference)
    elif p >= LEVEL:
        outcome, text = ALIKE, _why_alike(hypothesis, difference, p, count)
    else:
        outcome = BETTER if difference.mean > 0 else WORSE
        text = _effect(hypothesis, difference, p, count) + " " + _basis(difference)
    headline = _headline(hypothesis, outcome, difference)
    return Verdict(hypothesis, outcome, headline, text, difference, p, count)


def _headline(h: Hypothesis, outcome: str, difference: Estimate) -> str:
    if outcome == NONE:
        return f"No verdict on {h.better} against {h.than} in {h.metric}"
    if outcome == ALIKE:
        return f"{h.better} and {h.than} are not distinguishable in {h.metric}"
    return f"{h.better} is {outcome} than {h.than} in {h.metric}, by {abs(difference.mean):.1f}"


def _effect(h: Hypothesis, d: Estimate, p: float, count: int) -> str:
    corrected = f" corrected for {count} comparisons" if count > 1 else ""
    return (
        f"{h.metric} of {h.better} less that of {h.than} is {signed(d.mean)}, "
        f"95 % interval {signed(d.low)} to {signed(d.high)}, p = {p:.2g}{corrected}."
    )


def _basis(d: Estimate) -> str:
    pairs = f"{d.num_seeds} pairs of runs with the same seeds"
    if d.num_images:
        return (
            f"This rests on {pairs} and {d.num_images} test images: "
            "it should hold for other seeds and for other images of the same kind."
        )
    return f"This rests on {pairs}: it should hold for other seeds, on these test images."


def _why_alike(h: Hypothesis, d: Estimate, p: float, count: int) -> str:
    text = _effect(h, d, p, count)
    if d.low < 0 < d.high:
        text += (
            " Chance alone may give as much. An effect outside the interval is unlikely, "
            "one inside it cannot be ruled out."
        )
    else:
        text += " The interval excludes 0, but so many comparisons at once ask for more."
    more = "more seeds" if d.num_seeds < 5 or not d.num_images else "more seeds or test images"
    return f"{text} {_basis(d).partition(':')[0]}; {more} would narrow it."


def _why_none(h: Hypothesis, d: Estimate) -> str:
    if d.num_seeds == 0:
        return "No seed has a finished run of both."
    if math.isnan(d.mean):
        return f"Not every run has {h.metric}: it was not evaluated, or the test data have no such objects."
    text = f"One seed: {h.better} has {signed(d.mean)} {h.metric} against {h.than}"
    if d.num_images:
        text += (
            f". For these two trained models, other test images would give {signed(d.low)} to {signed(d.high)} (95 %, "
            f"from {d.num_images} images resampled)"
        )
    return text + (
        ". How far another seed would move the difference is unknown, so nothing follows for the two configs. "
        "Two seeds are the least that can give a verdict."
    )


def signed(value: float) -> str:
    """A difference with its sign and one decimal."""
    text = f"{value:+.1f}".replace("-", "−")
    return "0.0" if text in ("+0.0", "−0.0") else text
