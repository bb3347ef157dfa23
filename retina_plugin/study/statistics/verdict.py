"""The answers of a study to its hypotheses, by the rule of `estimate`."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from ..spec.hypothesis import Hypothesis
from .estimate import LEVEL, Estimate, correct_holm
from .measurements import Measurements
from .wording import ALIKE, BETTER, NONE, WORSE, explain, headline

__all__ = ["Verdict", "decide", "judge"]


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
        text = explain(h, d, p, count, f)
        verdicts.append(Verdict(h, outcome, headline(h, outcome, d), text, d, p, count))
    return verdicts
