"""The wording of a verdict: the headline, the effect, what it is based on and what does not follow from it."""

import math
from collections.abc import Callable, Sequence

from ..spec.hypothesis import Hypothesis
from ..spec.metrics import Metric
from .estimate import LEVEL, Estimate
from .outcomes import Outcomes

BETTER, WORSE, ALIKE, NONE, EQUIVALENT = "better", "worse", "not distinguishable", "no verdict", "equivalent"

RARE = 0.2  # share of runs; more frequent collapses would have been noticed


def number(value: float, metric: Metric) -> str:
    """A value without its unit: one decimal for percent, otherwise three significant digits."""
    return f"{value:.1f}" if metric.is_percent else f"{value:.3g}"


def signed(value: float, metric: Metric) -> str:
    """A difference of a metric with its sign."""
    text = number(abs(value), metric)
    return text if not float(text) else ("−" if value < 0 else "+") + text


def p_value(p: float) -> str:
    """A p-value to two digits, with more where they would not say on which side of the 5 % it is."""
    return f"{p:.4g}" if float(f"{p:.2g}") == LEVEL else f"{p:.2g}"


def interval(d: Estimate, metric: Metric, form: Callable[[float, Metric], str] = signed) -> str:
    """The 95 % interval; `form` writes its ends."""
    return f"{form(d.low, metric)} to {form(d.high, metric)}"


def headline(h: Hypothesis, outcome: str, difference: Estimate) -> str:
    """The answer in one line."""
    name = h.metric.name
    if outcome == NONE:
        return f"No verdict on {h.better} against {h.than} in {name}"
    if outcome == EQUIVALENT:
        return f"{h.better} and {h.than} are equivalent in {name} within {number(h.margin, h.metric)}{_unit(h.metric)}"
    if outcome == ALIKE:
        return f"{h.better} and {h.than} are not distinguishable in {name}"
    lower = "" if h.metric.higher_is_better else " (lower is better)"
    effect = number(abs(difference.mean), h.metric) + _unit(h.metric)
    return f"{h.better} is {outcome} than {h.than} in {name}{lower}, by {effect}"


def _unit(metric: Metric) -> str:
    return f" {metric.unit}" if metric.unit and not metric.is_percent else ""


def explain(
    h: Hypothesis,
    d: Estimate,
    p: float,
    family: int,
    outcome: str,
    failed: Sequence[str],
    together: tuple[float, float] = (math.nan, math.nan),
) -> str:
    """The effect, what it is based on, and what does not follow from it.

    `p` is corrected for `family` comparisons, and NaN without a verdict; `failed` names failed runs of both variants;
    `together` is the simultaneous interval, shown only if it is finite and there are several comparisons.
    """
    if d.num_seeds == 0:
        return "No seed has a finished run of both."
    if math.isnan(d.mean):
        return (
            f"Not every run has a finite {h.metric.name}: it was not evaluated, the test data have no such objects, "
            "or the run diverged."
        )
    if failed:
        return _explain_failed(h, d, failed)
    return _explain_one_seed(h, d) if outcome == NONE else _explain_difference(h, d, p, family, outcome, together)


def _explain_difference(
    h: Hypothesis, d: Estimate, p: float, family: int, outcome: str, ends: tuple[float, float]
) -> str:
    corrected = f" corrected for {family} comparisons" if family > 1 else ""
    low, high = (signed(x, h.metric) for x in ends)
    is_shown = family > 1 and all(map(math.isfinite, ends))
    together = f" ({low} to {high} for all {family} comparisons together)" if is_shown else ""
    effect = (
        f"{h.metric.name} of {h.better} minus that of {h.than} is {signed(d.mean, h.metric)}{_unit(h.metric)}, "
        f"95 % interval {interval(d, h.metric)}{together}, p = {p_value(p)}{corrected}."
    )
    images = f" and {d.num_images} test images" if d.num_images else ""
    basis = f"This is based on {d.num_seeds} pairs of runs with the same seeds{images}"
    scope = " and for other images of the same kind" if d.num_images else ", on these test images"
    if outcome == EQUIVALENT:
        return (
            f"{effect} Two one-sided tests put the difference inside ±{number(h.margin, h.metric)}, the margin that "
            f"the study file states. {basis}{_spread_of(d)}: it should hold for other seeds{scope}."
        )
    if outcome != ALIKE:
        return f"{effect} {basis}{_spread_of(d)}: it should hold for other seeds{scope}."
    several = "many comparisons" if family > 1 else "several looks"
    meaning = (
        "Chance alone can produce such a difference. An effect outside the interval is unlikely, one inside it cannot "
        "be ruled out."
        if d.low < 0 < d.high
        else f"The interval excludes 0, but the correction for {several} asks for stronger evidence."
    )
    more = "more seeds" if d.num_seeds < 5 or not d.num_images else "more seeds or test images"
    return f"{effect} {meaning} {basis}{_spread_of(d)}; {more} would narrow the interval."


def _spread_of(d: Estimate) -> str:
    if d.own_spread:
        return ", whose spread is clearly larger than that of the other variants and was used alone"
    if d.prior_freedom:
        return f", and the other variants' spread over seeds (worth {d.prior_freedom:.1f} degrees of freedom)"
    return ""


def caution(difference: Estimate, better: Outcomes, level: float) -> str:
    """How rare collapses of the better variant must be for its mean to be better; empty if they would be noticed.

    `level` is the mean of the better variant, in percent.
    """
    share = abs(difference.mean) / level if level > 0 else math.nan  # with so many runs at 0, the effect vanishes
    if not share < min(better.high, RARE):
        return ""
    return (
        f"This is about the runs that were seen: {better.num_bad} of {better.num_runs} runs of {better.variant} failed "
        f"or collapsed, and up to {100 * better.high:.0f} % could. If one in {1 / share:.0f} collapsed to 0, the means "
        "would be equal."
    )


def _explain_failed(h: Hypothesis, d: Estimate, failed: Sequence[str]) -> str:
    pairs = f"{d.num_seeds} pair" + ("s" if d.num_seeds > 1 else "")
    known_interval = "" if math.isnan(d.low) else f", 95 % interval {interval(d, h.metric)}"
    return (
        f"Failed: {'; '.join(failed)}. Over the {pairs} of finished runs, {h.metric.name} of {h.better} minus that of "
        f"{h.than} is {signed(d.mean, h.metric)}{known_interval}. Finished runs alone give no verdict, because "
        "the failed ones may have differed."
    )


def _explain_one_seed(h: Hypothesis, d: Estimate) -> str:
    text = f"One seed: {h.better} has {signed(d.mean, h.metric)} {h.metric.name} compared with {h.than}."
    if d.num_images:
        text += (
            f" For these two trained models, other test images would give {interval(d, h.metric)} (95 %, "
            f"from {d.num_images} resampled images)."
        )
    return text + (
        " It is unknown how far another seed would move the difference, so nothing follows for the two configs. "
        "A verdict needs at least two seeds."
    )
