"""Verdicts and numbers in words."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from ..spec.hypothesis import Hypothesis
from ..spec.metrics import Metric
from .estimate import LEVEL, Estimate

__all__ = ["ALIKE", "BETTER", "NONE", "WORSE", "explain", "headline", "interval", "number", "signed"]

BETTER, WORSE, ALIKE, NONE = "better", "worse", "not distinguishable", "no verdict"


def number(value: float, metric: Metric) -> str:
    """A value without its unit: one decimal for percent, otherwise three significant digits."""
    return f"{value:.1f}" if metric.is_percent else f"{value:.3g}"


def signed(value: float, metric: Metric) -> str:
    """A difference of a metric with its sign."""
    text = number(abs(value), metric)
    return text if not float(text) else ("−" if value < 0 else "+") + text


def headline(h: Hypothesis, outcome: str, difference: Estimate) -> str:
    """The answer in one line."""
    name = h.metric.name
    if outcome == NONE:
        return f"No verdict on {h.better} against {h.than} in {name}"
    if outcome == ALIKE:
        return f"{h.better} and {h.than} are not distinguishable in {name}"
    lower = "" if h.metric.higher_is_better else " (lower is better)"
    effect = number(abs(difference.mean), h.metric) + _unit(h.metric)
    return f"{h.better} is {outcome} than {h.than} in {name}{lower}, by {effect}"


def _unit(metric: Metric) -> str:
    return f" {metric.unit}" if metric.unit and not metric.is_percent else ""


def explain(h: Hypothesis, d: Estimate, p: float, count: int, failed: Sequence[str]) -> str:
    """The effect, what it is based on, and what does not follow from it.

    `p` is corrected for `count` comparisons, and NaN without a verdict; `failed` names failed runs of both variants.
    """
    if d.num_seeds == 0:
        return "No seed has a finished run of both."
    if math.isnan(d.mean):
        return f"Not every run has {h.metric.name}: it was not evaluated, or the test data have no such objects."
    if failed:
        return _explain_failed(h, d, failed)
    if math.isnan(p):
        return _explain_one_seed(h, d)
    return _explain_alike(h, d, p, count) if p >= LEVEL else f"{_effect(h, d, p, count)} {_basis(d)}"


def _effect(h: Hypothesis, d: Estimate, p: float, count: int) -> str:
    corrected = f" corrected for {count} comparisons" if count > 1 else ""
    return (
        f"{h.metric.name} of {h.better} minus that of {h.than} is {signed(d.mean, h.metric)}{_unit(h.metric)}, "
        f"95 % interval {interval(d, h.metric)}, p = {p:.2g}{corrected}."
    )


def interval(d: Estimate, metric: Metric, form: Callable[[float, Metric], str] = signed) -> str:
    """The 95 % interval; `form` writes its ends."""
    return f"{form(d.low, metric)} to {form(d.high, metric)}"


def _basis(d: Estimate) -> str:
    pairs = f"{d.num_seeds} pairs of runs with the same seeds"
    if d.num_images:
        return (
            f"This is based on {pairs} and {d.num_images} test images: "
            "it should hold for other seeds and for other images of the same kind."
        )
    return f"This is based on {pairs}: it should hold for other seeds, on these test images."


def _explain_alike(h: Hypothesis, d: Estimate, p: float, count: int) -> str:
    text = _effect(h, d, p, count)
    if d.low < 0 < d.high:
        text += (
            " Chance alone can produce such a difference. An effect outside the interval is unlikely, "
            "one inside it cannot be ruled out."
        )
    else:
        text += " The interval excludes 0, but the correction for many comparisons asks for stronger evidence."
    more = "more seeds" if d.num_seeds < 5 or not d.num_images else "more seeds or test images"
    return f"{text} {_basis(d).partition(':')[0]}; {more} would narrow the interval."


def _explain_failed(h: Hypothesis, d: Estimate, failed: Sequence[str]) -> str:
    pairs = f"{d.num_seeds} pair" + ("s" if d.num_seeds > 1 else "")
    known_interval = "" if math.isnan(d.low) else f", 95 % interval {interval(d, h.metric)}"
    return (
        f"Failed: {'; '.join(failed)}. Over the {pairs} of finished runs, {h.metric.name} of {h.better} minus that of "
        f"{h.than} is {signed(d.mean, h.metric)}{known_interval}. Finished runs alone give no verdict, because "
        "the failed ones may have differed."
    )


def _explain_one_seed(h: Hypothesis, d: Estimate) -> str:
    text = f"One seed: {h.better} has {signed(d.mean, h.metric)} {h.metric.name} compared with {h.than}"
    if d.num_images:
        text += (
            f". For these two trained models, other test images would give {interval(d, h.metric)} (95 %, "
            f"from {d.num_images} resampled images)"
        )
    return text + (
        ". It is unknown how far another seed would move the difference, so nothing follows for the two configs. "
        "A verdict needs at least two seeds."
    )
