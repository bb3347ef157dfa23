"""The answers of a study to its hypotheses, by the rule of `estimate`, and their wording."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ..spec.hypothesis import Hypothesis
from ..spec.metrics import Metric
from .estimate import LEVEL, Estimate, correct_holm
from .measurements import Measurements

BETTER, WORSE, ALIKE, NONE = "better", "worse", "not distinguishable", "no verdict"


@dataclass(frozen=True)
class Verdict:
    """The answer to one hypothesis.

    Attributes:
        outcome: "better", "worse", "not distinguishable", or "no verdict" if seeds or the metric are missing or a run
            failed.
        headline: the answer in one line.
        text: effect, interval, what they are based on and what does not follow from them.
        difference: the metric of the hypothesis' first variant minus that of its second.
        p_corrected: p-value, corrected after Holm for all hypotheses of the study; NaN without a verdict.
        num_comparisons: the number of hypotheses that the correction counts.
    """

    hypothesis: Hypothesis
    outcome: str
    headline: str
    text: str
    difference: Estimate
    p_corrected: float
    num_comparisons: int


def decide(difference: Estimate, p_corrected: float, higher_is_better: bool = True) -> str:
    """The outcome for a paired difference; "no verdict" if `p_corrected` is NaN."""
    if math.isnan(p_corrected):
        return NONE
    if p_corrected >= LEVEL:
        return ALIKE
    return BETTER if (difference.mean > 0) == higher_is_better else WORSE


def judge(measurements: Measurements, hypotheses: Sequence[Hypothesis]) -> list[Verdict]:
    """Answer every hypothesis. p-values are corrected for all hypotheses that can be answered.

    A hypothesis gets no verdict if a run of one of its variants failed: the seeds that finished may differ from the
    one that failed.
    """
    differences = [measurements.difference(h.better, h.than, h.metric) for h in hypotheses]
    failed = [
        [f"{variant}, seed {seed}" for variant in (h.better, h.than) for seed in measurements.failed_seeds(variant)]
        for h in hypotheses
    ]
    p_values = correct_holm([math.nan if f else d.p_value for d, f in zip(differences, failed, strict=True)])
    count = sum(not math.isnan(p) for p in p_values)
    verdicts = []
    for h, d, f, p in zip(hypotheses, differences, failed, p_values, strict=True):
        outcome = decide(d, p, h.metric.higher_is_better)
        text = _explain(h, d, p, count, f)
        verdicts.append(Verdict(h, outcome, _headline(h, outcome, d), text, d, p, count))
    return verdicts


def number(value: float, metric: Metric) -> str:
    """A value without its unit: one decimal for percent, otherwise three significant digits."""
    return f"{value:.1f}" if metric.is_percent else f"{value:.3g}"


def signed(value: float, metric: Metric) -> str:
    """A difference of a metric with its sign."""
    text = number(abs(value), metric)
    return text if not float(text) else ("−" if value < 0 else "+") + text


def interval(d: Estimate, metric: Metric, form: Callable[[float, Metric], str] = signed) -> str:
    """The 95 % interval; `form` writes its ends."""
    return f"{form(d.low, metric)} to {form(d.high, metric)}"


def _headline(h: Hypothesis, outcome: str, difference: Estimate) -> str:
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


def _explain(h: Hypothesis, d: Estimate, p: float, count: int, failed: Sequence[str]) -> str:
    """The effect, what it is based on, and what does not follow from it.

    `p` is corrected for `count` comparisons, and NaN without a verdict; `failed` names failed runs of both variants.
    """
    if d.num_seeds == 0:
        return "No seed has a finished run of both."
    if math.isnan(d.mean):
        return f"Not every run has {h.metric.name}: it was not evaluated, or the test data have no such objects."
    if failed:
        return _explain_failed(h, d, failed)
    return _explain_one_seed(h, d) if math.isnan(p) else _explain_difference(h, d, p, count)


def _explain_difference(h: Hypothesis, d: Estimate, p: float, count: int) -> str:
    corrected = f" corrected for {count} comparisons" if count > 1 else ""
    effect = (
        f"{h.metric.name} of {h.better} minus that of {h.than} is {signed(d.mean, h.metric)}{_unit(h.metric)}, "
        f"95 % interval {interval(d, h.metric)}, p = {p:.2g}{corrected}."
    )
    images = f" and {d.num_images} test images" if d.num_images else ""
    basis = f"This is based on {d.num_seeds} pairs of runs with the same seeds{images}"
    if p < LEVEL:
        scope = " and for other images of the same kind" if d.num_images else ", on these test images"
        return f"{effect} {basis}: it should hold for other seeds{scope}."
    meaning = (
        "Chance alone can produce such a difference. An effect outside the interval is unlikely, one inside it cannot "
        "be ruled out."
        if d.low < 0 < d.high
        else "The interval excludes 0, but the correction for many comparisons asks for stronger evidence."
    )
    more = "more seeds" if d.num_seeds < 5 or not d.num_images else "more seeds or test images"
    return f"{effect} {meaning} {basis}; {more} would narrow the interval."


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
