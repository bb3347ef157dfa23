"""Looks at a study while seeds are added, and the share of the 5 % of false verdicts that each look may spend.

Looking after every seed and stopping at the first p below .05 gives false calls in more than 5 % of studies. So the 5 %
are spent over the looks (Lan and DeMets 1983, Discrete sequential boundaries for clinical trials), with the spending
function 5 % (n / N)^2 at n of N planned seeds (Kim and DeMets 1987). A look gets the increase of this function since
the look before, and calls a difference if p is below it. By Bonferroni's inequality the looks together make at most 5 %
false calls, whatever the distribution. The joint distribution of the looks, which gives Lan and DeMets somewhat more
power, is not used: it needs statistics with a known variance, which a few seeds do not give.

N is the number of seeds that the study file names, or `max_seeds` for `seeds="auto"`. A report on two or more seeds is
a look, and looks.json in the study folder records it with the share that it spent. This share is lost to later reports
with more seeds, even if N has grown since, and to later reports on fewer of its seeds. Beyond N nothing is left to
spend: more seeds narrow the interval, but cannot change the verdict. A report on other seeds, such as 3, 4, 5 after 0,
1, 2, is a repetition and not a look.
"""

import itertools
import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from ...files import write_json
from ...reading import read_json
from ..spec.factors import Factor
from ..spec.hypothesis import Hypothesis
from ..spec.metrics import Metric
from ..statistics.effects import Effect, factor_effects
from ..statistics.estimate import LEVEL, Estimate
from ..statistics.measurements import Measurements
from ..statistics.verdict import Verdict, caution_of, decide, judge
from ..statistics.wording import ALIKE, EQUIVALENT, NONE, explain, headline, p_value

LOOKS = "looks.json"  # in the study folder


class Look(NamedTuple):
    """A report on these seeds, and the share of the 5 % that it may spend."""

    seeds: tuple[int, ...]
    share: float


def spent(share_of_seeds: float) -> float:
    """The share of the 5 % that is spent when `share_of_seeds` of the planned seeds have run; 1 from all seeds on."""
    return min(share_of_seeds, 1.0) ** 2


def shares(looks: Sequence[int], planned: int, recorded: Sequence[float | None] = ()) -> list[float]:
    """The share of the 5 % that each look may spend, for increasing numbers of seeds.

    A look with a `recorded` share keeps it, whatever is planned now; None for a look without one.
    """
    found: list[float] = []
    for number, known in itertools.zip_longest(looks, recorded):
        found.append(max(0.0, spent(number / planned) - sum(found)) if known is None else known)
    return found


def looks_until(folder: Path, seeds: Sequence[int], planned: int) -> list[Look]:
    """The recorded looks at some of `seeds`, fewest first, and the look at all of them.

    Each contains the seeds of the one before. Of looks where neither contains the other, the one at more seeds counts.
    """
    known = {tuple(look["seeds"]): look["share"] for look in _read(folder)}
    nested = [tuple(sorted(seeds))]
    for look in sorted(known, key=len, reverse=True):
        if set(look) < set(nested[0]):
            nested.insert(0, look)
    costs = shares([len(look) for look in nested], planned, [known.get(look) for look in nested])
    if nested[-1] not in known:
        elsewhere = sum(share or 0.0 for look, share in known.items() if set(look) > set(seeds))
        costs[-1] = min(costs[-1], max(0.0, 1 - elsewhere - sum(costs[:-1])))
    return [Look(*pair) for pair in zip(nested, costs, strict=True)]


def record_look(folder: Path, look: Look) -> None:
    """Record a look in looks.json, unless its seeds are recorded already. One seed gives no verdict, so no look."""
    known = _read(folder)
    if len(look.seeds) > 1 and list(look.seeds) not in [own["seeds"] for own in known]:
        write_json(folder / LOOKS, [*known, {"seeds": list(look.seeds), "share": look.share}])


def _read(folder: Path) -> list[dict[str, Any]]:
    """The recorded looks. An entry may also be a list of seeds, without a share."""

    def valid(content: list) -> bool:
        return all(map(_is_look, map(_as_record, content)))

    return list(map(_as_record, read_json(folder / LOOKS, [], valid)))


def _as_record(look: Any) -> Any:
    return {"seeds": look, "share": None} if isinstance(look, list) else look


def _is_look(record: Any) -> bool:
    if not isinstance(record, dict) or not isinstance(record.get("share", ""), int | float | None):
        return False
    return isinstance(record.get("seeds"), list) and all(type(seed) is int for seed in record["seeds"])


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
