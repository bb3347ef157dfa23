"""Verdicts and effects at the last of several looks: what an earlier look has settled stays settled, see `looks.py`.

A study that adds seeds looks after each of them, until every verdict is settled.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace

from ..execution.results import RunResult
from ..spec.factors import Factor
from ..spec.hypothesis import Hypothesis
from ..spec.metrics import Metric
from ..spec.study import Study
from ..statistics.effects import Effect, factor_effects
from ..statistics.estimate import LEVEL, Estimate
from ..statistics.measurements import Measurements, measure_results
from ..statistics.verdict import Verdict, caution_of, decide, judge
from ..statistics.wording import ALIKE, EQUIVALENT, NONE, explain, headline, p_value
from .looks import Look, looks_until, record_look
from .recorded import counted_questions


def judge_looks(
    measurements: Measurements, hypotheses: Sequence[Hypothesis], others: Sequence[Hypothesis], looks: Sequence[Look]
) -> list[Verdict]:
    """The verdicts at the last of `looks`, whose seeds contain those of all earlier looks; `others` as in `judge`.

    A hypothesis that an earlier look settled keeps that outcome and p-value, unless the difference of all seeds points
    the other way or lies outside the margin: then it is "not distinguishable".
    """
    rounds = [judge(measurements.of_seeds(look.seeds), hypotheses, others, look.share) for look in looks]
    return [_first_settled(measurements.of_seeds(looks[-1].seeds), own, looks) for own in zip(*rounds, strict=True)]


def effects_at_looks(
    measurements: Measurements, factors: Sequence[Factor], metric: Metric, looks: Sequence[Look]
) -> list[Effect]:
    """The effects of factors at the last of `looks`; an effect that an earlier look called keeps its p-value.

    If a run has failed since, there are no p-values. If the effect of all seeds points the other way, it is not called.
    """
    rounds = [factor_effects(measurements.of_seeds(look.seeds), factors, metric, look.share) for look in looks]
    return [_first_called(own) for own in zip(*rounds, strict=True)]


def _first_called(own: Sequence[Effect]) -> Effect:
    last = own[-1]
    called = next((effect for effect in own if effect.p_corrected < LEVEL), last)
    if math.isnan(last.p_corrected):
        return last
    agrees = called.difference.mean * last.difference.mean > 0
    return replace(last, p_corrected=called.p_corrected if agrees else _undecided(last.p_corrected))


def _undecided(p: float) -> float:
    return p if p >= LEVEL else 1.0


def _first_settled(measurements: Measurements, own: Sequence[Verdict], looks: Sequence[Look]) -> Verdict:
    last = own[-1]
    if last.outcome == NONE:
        return last
    for verdict, look in zip(own[:-1], looks, strict=False):
        if is_settled(verdict):
            return _kept(measurements, verdict, last, len(look.seeds))
    if len(looks) == 1 and looks[-1].share == 1:
        return last
    return replace(last, text=f"{last.text} {_what_it_cost(looks[-1].share)}")


def _kept(measurements: Measurements, verdict: Verdict, last: Verdict, number: int) -> Verdict:
    """The verdict of an earlier look at `number` seeds, with the difference of the last one."""
    h, d, p = last.hypothesis, last.difference, verdict.p_corrected
    if _contradicts(d, verdict):
        return _withdrawn(verdict, last, number)
    outcomes = [measurements.outcomes(name, h.metric) for name in (h.better, h.than)]
    text = explain(h, d, p, last.num_comparisons, verdict.outcome, [])
    text = f"{text} {caution_of(measurements, verdict.outcome, d, outcomes, h.metric)}".strip()
    return replace(
        verdict,
        headline=headline(h, verdict.outcome, d),
        text=f"Settled by the look at {number} seeds, whose p-value is given here. {text}",
        difference=d,
        flags=last.flags,
    )


def _withdrawn(verdict: Verdict, last: Verdict, number: int) -> Verdict:
    h, d = last.hypothesis, last.difference
    text = f"The look at {number} seeds had found: {verdict.headline}. The difference of all seeds contradicts it."
    rest = last.text
    if is_settled(last):
        rest = (
            f"This look alone finds: {last.headline}, p = {p_value(last.p_corrected)}. A contradiction decides nothing."
        )
    return replace(
        last,
        outcome=ALIKE,
        headline=headline(h, ALIKE, d),
        text=f"{text} {rest}",
        p_corrected=_undecided(last.p_corrected),
    )


def _contradicts(difference: Estimate, verdict: Verdict) -> bool:
    h = verdict.hypothesis
    if verdict.outcome == EQUIVALENT:
        return abs(difference.mean) >= h.margin
    return decide(difference, 0.0, h.metric.higher_is_better, math.nan) != verdict.outcome


def _what_it_cost(share: float) -> str:
    if share <= 0:
        return "Earlier looks spent the 5 % that this look could spend, so it cannot change the verdict."
    return f"p is also corrected for looks at fewer or more seeds: this look spends {share:.0%} of the {LEVEL:.0%}."


def is_settled(verdict: Verdict) -> bool:
    """Whether more seeds cannot change a verdict."""
    return verdict.outcome not in (ALIKE, NONE)


def all_settled(verdicts: Sequence[Verdict]) -> bool:
    """Whether a study of two or more seeds can stop: no verdict is "not distinguishable", which seeds may change."""
    return all(verdict.outcome != ALIKE for verdict in verdicts)


def parts(study: Study) -> Iterator[Study]:
    """Yield the study with its first two seeds, then three and so on, if it adds seeds; otherwise only the study."""
    first = 2 if study.adds_seeds else len(study.seeds)
    for number in range(first, len(study.seeds) + 1):
        yield replace(study, seeds=study.seeds[:number])


def settled_by(study: Study, results: Sequence[RunResult]) -> bool:
    """Judge a part of a study, print its verdicts and record the look; returns whether all verdicts are settled."""
    looks = looks_until(study.output_dir, study.seeds, study.planned)
    measurements, _ = measure_results(study, results)
    verdicts = judge_looks(measurements, study.questions, counted_questions(study), looks)
    record_look(study.output_dir, looks[-1])
    for verdict in verdicts:
        print(f"after {len(study.seeds)} seeds: {verdict.headline}")
    return all_settled(verdicts)
