"""The answers of a study to its hypotheses, by the rule of `estimate`."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from ..spec.hypothesis import Hypothesis
from .estimate import LEVEL, Estimate, correct_for_family
from .measurements import Measurements
from .outcomes import Outcomes
from .wording import ALIKE, BETTER, EQUIVALENT, NONE, WORSE, caution, explain, headline


@dataclass(frozen=True)
class Verdict:
    """The answer to one hypothesis.

    Attributes:
        outcome: "better", "worse", "equivalent" (only if the hypothesis has a margin), "not distinguishable", or
            "no verdict" if seeds or the metric are missing or a run failed.
        headline: the answer in one line.
        text: effect, interval, what they are based on and what does not follow from them.
        difference: the metric of the hypothesis' first variant minus that of its second.
        p_corrected: p-value, corrected for all hypotheses of the study file; NaN without a verdict.
        num_comparisons: the number of hypotheses that the correction counts.
        low, high: simultaneous 95 % interval: those of all hypotheses of the file hold together in 95 % of studies.
        p_equivalent: p-value of equivalence, corrected alike; NaN without a margin.
        flags: runs of the two variants that failed, diverged or collapsed.
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


def decide(difference: Estimate, p_corrected: float, higher_is_better: bool = True, p_equivalent: float = 1.0) -> str:
    """The outcome for a paired difference; "no verdict" if `p_corrected` is NaN.

    "equivalent" precedes "better": a difference that surely lies within the margin is one that does not matter.
    """
    if math.isnan(p_corrected):
        return NONE
    if p_equivalent < LEVEL:
        return EQUIVALENT
    if p_corrected >= LEVEL:
        return ALIKE
    return BETTER if (difference.mean > 0) == higher_is_better else WORSE


def judge(
    measurements: Measurements, hypotheses: Sequence[Hypothesis], family: int = 0, share: float = 1.0
) -> list[Verdict]:
    """Answer every hypothesis.

    A hypothesis gets no verdict if a run of one of its variants failed: the seeds that finished may differ from the
    one that failed.

    Args:
        family: number of comparisons that the study file asks for, if more than `hypotheses`. p-values are multiplied
            by it, so that they do not depend on which of the comparisons were made.
        share: of the 5 %, what this look at the study may spend.
    """
    family = max(family, len(hypotheses))
    return [_answer(measurements, h, family, share) for h in hypotheses]


def _answer(measurements: Measurements, h: Hypothesis, family: int, share: float) -> Verdict:
    d = measurements.difference(h.better, h.than, h.metric)
    outcomes = [measurements.outcomes(name, h.metric) for name in (h.better, h.than)]
    failed = [f"{o.variant}, seed {seed}" for o in outcomes for seed in o.failed]
    p = math.nan if failed else correct_p(d.p_value, family, share)
    q = math.nan if failed or h.margin is None else correct_p(d.p_equivalent(h.margin), family, share)
    outcome = decide(d, p, h.metric.higher_is_better, q)
    text = explain(h, d, p, family, outcome, failed)
    if outcome in (BETTER, WORSE) and h.metric.is_percent and h.metric.higher_is_better:
        ahead = outcomes[outcome == WORSE]
        text += caution(d, ahead, measurements.mean(ahead.variant, h.metric).mean)
    low, high = d.interval(LEVEL * share / family)
    flags = tuple(flag for o in outcomes for flag in flags_of(o))
    return Verdict(h, outcome, headline(h, outcome, d), text, d, p, family, low, high, q, flags)


def correct_p(p: float, family: int, share: float) -> float:
    """p for all comparisons and looks; 1 where nothing of the 5 % is left to spend."""
    return correct_for_family(p / share, family) if share else p if math.isnan(p) else 1.0


def flags_of(outcomes: Outcomes) -> list[str]:
    """What a reader must know about the runs of a variant."""
    kinds = {"failed": outcomes.failed, "is not finite": outcomes.not_finite, "collapsed": outcomes.collapsed}
    return [f"{outcomes.variant}: seed {seed} {kind}" for kind, seeds in kinds.items() for seed in seeds]
