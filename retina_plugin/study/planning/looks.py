"""Looks at a study while seeds are added, and what each may spend of the 5 % of false verdicts.

Whoever looks after every seed and stops at the first p below .05 is wrong more often than in 5 % of studies. So the 5 %
are spent over the looks (Lan and DeMets 1983, Discrete sequential boundaries for clinical trials), with the spending
function 5 % (n / N)^2 at n of N planned seeds (Kim and DeMets 1987). A look gets what the function has gained since the
look before, and calls a difference if p is below that. By Bonferroni's inequality the looks together make at most 5 %
false calls, whatever the distribution. The joint distribution of the looks, which gives Lan and DeMets somewhat more
power, is not used: it needs statistics with a known variance, which a few seeds do not give.

N is the number of seeds that the study file names, or `max_seeds` for `seeds="auto"`. A report on two or more seeds is
a look, and looks.json in the study folder records it. A later report with more seeds pays for it. Beyond N nothing is
left to spend: more seeds narrow the interval, but cannot change the verdict. Reports on other seeds, such as 3, 4, 5
after 0, 1, 2, are a repetition and not a look.
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from ...files import read_json, write_json
from ..spec.hypothesis import Hypothesis
from ..statistics.estimate import LEVEL
from ..statistics.measurements import Measurements
from ..statistics.verdict import Verdict, judge
from ..statistics.wording import ALIKE, NONE, headline

LOOKS = "looks.json"  # in the study folder


def spent(share_of_seeds: float) -> float:
    """The share of the 5 % that is spent when this share of the planned seeds has run; 1 from there on."""
    return min(share_of_seeds, 1.0) ** 2


def shares(looks: Sequence[int], planned: int) -> list[float]:
    """What each look may spend of the 5 %, for increasing numbers of seeds."""
    until = [spent(n / planned) for n in looks]
    return [now - before for now, before in zip(until, [0.0, *until], strict=False)]


def looks_before(folder: Path, seeds: Sequence[int]) -> list[list[int]]:
    """The recorded looks at some of `seeds`, fewest first."""
    known = [look for look in _read(folder) if set(look) < set(seeds)]
    nested: list[list[int]] = []
    for look in sorted(known, key=len):
        if not nested or set(nested[-1]) < set(look):
            nested.append(look)
    return nested


def record_look(folder: Path, seeds: Sequence[int]) -> None:
    """Note in looks.json that the study was looked at with these seeds. One seed gives no verdict, so no look."""
    known = _read(folder)
    if len(seeds) > 1 and sorted(seeds) not in known:
        write_json(folder / LOOKS, [*known, sorted(seeds)])


def _read(folder: Path) -> list[list[int]]:
    def valid(content: list) -> bool:
        return all(isinstance(look, list) and all(type(seed) is int for seed in look) for look in content)

    return read_json(folder / LOOKS, [], valid)


def judge_looks(
    measurements: Measurements,
    hypotheses: Sequence[Hypothesis],
    others: Sequence[Hypothesis],
    looks: Sequence[Sequence[int]],
    planned: int,
) -> list[Verdict]:
    """The verdicts at the last of `looks`, each a set of seeds that contains the one before; `others` as in `judge`.

    A hypothesis that an earlier look settled keeps that outcome and p-value.
    """
    costs = shares([len(look) for look in looks], planned)
    rounds = [
        judge(measurements.of_seeds(look), hypotheses, others, share) for look, share in zip(looks, costs, strict=True)
    ]
    return [_first_settled(own, looks, costs) for own in zip(*rounds, strict=True)]


def _first_settled(own: Sequence[Verdict], looks: Sequence[Sequence[int]], costs: Sequence[float]) -> Verdict:
    last = own[-1]
    for verdict, look in zip(own[:-1], looks, strict=False):
        if is_settled(verdict) and last.outcome != NONE:
            text = (
                f"Settled by the look at {len(look)} seeds, p = {verdict.p_corrected:.2g} after correction. {last.text}"
            )
            title = headline(verdict.hypothesis, verdict.outcome, last.difference)
            kept = {
                "outcome": verdict.outcome,
                "p_corrected": verdict.p_corrected,
                "p_equivalent": verdict.p_equivalent,
            }
            return replace(last, headline=title, text=text, **kept)
    if len(looks) == 1 and costs[-1] == 1 or last.outcome == NONE:
        return last
    return replace(last, text=f"{last.text} {_what_it_cost(costs[-1])}")


def _what_it_cost(share: float) -> str:
    if share <= 0:
        return (
            "The 5 % were spent by earlier looks, so further seeds narrow the interval but cannot change the verdict."
        )
    return f"p is also corrected for looks at fewer or more seeds: this look spends {share:.0%} of the {LEVEL:.0%}."


def is_settled(verdict: Verdict) -> bool:
    """Whether more seeds cannot change a verdict."""
    return verdict.outcome not in (ALIKE, NONE)


def all_settled(verdicts: Sequence[Verdict]) -> bool:
    """Whether a study need not add seeds: every verdict is settled, or prevented by a failed run."""
    return all(is_settled(v) or any(flag.endswith("failed") for flag in v.flags) for v in verdicts)
