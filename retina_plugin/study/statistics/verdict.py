"""The answers of a study to its hypotheses, by the rule of `estimate`."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from ..spec.hypothesis import Hypothesis
from ..spec.metrics import Metric
from .estimate import LEVEL, Estimate
from .measurements import Measurements
from .outcomes import Outcomes, spread_flag
from .wording import ALIKE, BETTER, EQUIVALENT, NONE, WORSE, caution, explain, headline


@dataclass(frozen=True)
class Verdict:
    """The answer to one hypothesis.

    Attributes:
        outcome: "better", "worse", "equivalent" (only if the hypothesis has a margin), "not distinguishable", or
            "no verdict" if seeds or the metric are missing or a run failed.
        headline: the answer in one line.
        text: the effect, its interval, what they are based on, and what does not follow from them.
        difference: the metric of the hypothesis' `better` variant minus its `than` variant.
        p_corrected: p-value, corrected after Holm for all hypotheses of the study file; NaN without a verdict.
        num_comparisons: the number of hypotheses that the correction counts.
        low, high: simultaneous 95 % interval: in 95 % of studies the intervals of all hypotheses of the file hold.
        p_equivalent: p-value of equivalence, corrected alike; NaN without a margin.
        flags: runs of the two variants that failed, diverged or collapsed, and spreads that differ clearly.
    """

    hypothesis: Hypothesis
    outcome: str
    headline: str
    text: str
    difference: Estimate
    p_corrected: float
    num_comparisons: int
    low: float = math.nan
    high: float = math.nan
    p_equivalent: float = math.nan
    flags: tuple[str, ...] = ()


def decide(difference: Estimate, p_corrected: float, higher_is_better: bool, p_equivalent: float) -> str:
    """The outcome for a paired difference; "no verdict" if `p_corrected` is NaN.

    "equivalent" takes precedence over "better": a difference inside the margin does not matter.
    """
    if math.isnan(p_corrected):
        return NONE
    if p_equivalent < LEVEL:
        return EQUIVALENT
    if p_corrected >= LEVEL:
        return ALIKE
    return BETTER if (difference.mean > 0) == higher_is_better else WORSE


def judge(
    measurements: Measurements, hypotheses: Sequence[Hypothesis], others: Sequence[Hypothesis] = (), share: float = 1.0
) -> list[Verdict]:
    """Answer every hypothesis.

    A hypothesis gets no verdict if a run of one of its variants failed: the seeds that finished may differ from the
    one that failed.

    Args:
        others: further hypotheses of the study file, which count in the correction. If their runs are known, the
            correction is the same as if they were among `hypotheses`.
        share: share of the 5 % that this look at the study may spend.
    """
    asked = [_Comparison(measurements, h, share) for h in (*hypotheses, *others)]
    corrected = correct_holm([one.p_value for one in asked])
    return [
        _answer(measurements, one, p, len(asked), share)
        for one, p in zip(asked[: len(hypotheses)], corrected, strict=False)
    ]


class _Comparison:
    """A hypothesis with its difference and p-values, before the correction for several comparisons."""

    def __init__(self, measurements: Measurements, h: Hypothesis, share: float) -> None:
        self.hypothesis = h
        self.difference = measurements.difference(h.better, h.than, h.metric)
        self.outcomes = [measurements.outcomes(name, h.metric) for name in (h.better, h.than)]
        self.failed = [f"{o.variant}, seed {seed}" for o in self.outcomes for seed in o.failed]
        p_values = (self.difference.p_value, self.difference.p_equivalent(h.margin))
        self.p_value, self.p_equivalent = (math.nan if self.failed else spend(p, share) for p in p_values)


def _answer(measurements: Measurements, one: _Comparison, p: float, family: int, share: float) -> Verdict:
    h, d = one.hypothesis, one.difference
    q = correct_bonferroni(one.p_equivalent, family)
    outcome = decide(d, p, h.metric.higher_is_better, q)
    low, high = d.interval(LEVEL * share / family)
    text = explain(h, d, p, family, outcome, one.failed, (low, high))
    text = f"{text} {caution_of(measurements, outcome, d, one.outcomes, h.metric)}".strip()
    flags = (*(flag for o in one.outcomes for flag in flags_of(o)), *spread_flag(*one.outcomes))
    return Verdict(h, outcome, headline(h, outcome, d), text, d, p, family, low, high, q, flags)


def caution_of(
    measurements: Measurements, outcome: str, difference: Estimate, outcomes: Sequence[Outcomes], metric: Metric
) -> str:
    """`caution` about the better variant, for a metric in percent where higher is better; otherwise empty."""
    if outcome not in (BETTER, WORSE) or not metric.is_percent or not metric.higher_is_better:
        return ""
    ahead = outcomes[outcome == WORSE]
    return caution(difference, ahead, measurements.mean(ahead.variant, metric).mean)


def spend(p: float, share: float) -> float:
    """p divided by the share of the 5 % that a look may spend, at most 1; 1 if `share` is 0. NaN stays NaN."""
    if math.isnan(p):
        return p
    return min(1.0, p / share) if share else 1.0


def correct_bonferroni(p_value: float, family: int) -> float:
    """Bonferroni's correction for a number of comparisons; NaN stays NaN."""
    return p_value if math.isnan(p_value) else min(1.0, family * p_value)


def correct_holm(p_values: Sequence[float]) -> list[float]:
    """Holm's step-down correction for multiple comparisons. NaN counts as a comparison whose p is 1, and stays NaN.

    Source: Holm 1979, A simple sequentially rejective multiple test procedure.
    """
    corrected, highest = [math.nan] * len(p_values), 0.0
    known = sorted((p, i) for i, p in enumerate(p_values) if not math.isnan(p))
    for rank, (p, i) in enumerate(known):
        highest = max(highest, min(1.0, (len(p_values) - rank) * p))
        corrected[i] = highest
    return corrected


def flags_of(outcomes: Outcomes) -> list[str]:
    """One phrase per failed, non-finite or collapsed run of a variant, such as "focal: seed 2 failed"."""
    kinds = {"failed": outcomes.failed, "is not finite": outcomes.not_finite, "collapsed": outcomes.collapsed}
    return [f"{outcomes.variant}: seed {seed} {kind}" for kind, seeds in kinds.items() for seed in seeds]
