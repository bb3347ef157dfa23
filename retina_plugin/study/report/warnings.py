"""Warnings of a report about differences between two variants that their comparison does not name."""

import math
from collections.abc import Iterator, Sequence

from ..spec.factors import Factor, levels_of
from ..spec.hypothesis import Hypothesis
from ..spec.study import Study, Variant
from ..statistics.confounds import CHECKS, Check, Ledger


def warn(study: Study, ledgers: Sequence[Ledger], hypotheses: Sequence[Hypothesis]) -> list[str]:
    """One sentence for each difference between the two variants of a hypothesis that the hypothesis does not name."""
    known = {x.variant for x in ledgers}
    pairs = dict.fromkeys((h.better, h.than) for h in hypotheses if {h.better, h.than} <= known)
    return [
        f"{sentence}{_advice(check, study)}."
        for pair in pairs
        for check, sentence in _differences(study, ledgers, *pair)
    ]


def warn_of_factors(study: Study, ledgers: Sequence[Ledger]) -> list[str]:
    """One sentence for each unnamed difference that a factor causes, with one pair of variants as an example."""
    return [text for factor in study.factors for text in _warn_of_factor(study, ledgers, factor)]


def _warn_of_factor(study: Study, ledgers: Sequence[Ledger], factor: Factor) -> Iterator[str]:
    pairs = _pairs_of(study.factors, factor)
    found: dict[Check, list[str]] = {}
    for first, second in pairs:
        for check, sentence in _differences(study, ledgers, second, first):
            found.setdefault(check, []).append(sentence)
    for check, sentences in found.items():
        where = f"in {len(sentences)} of {len(pairs)} pairs of variants, for example:"
        yield f"the effect of {factor.name} may have another cause: {where} {sentences[0]}{_advice(check, study)}."


def _pairs_of(factors: Sequence[Factor], factor: Factor) -> list[tuple[str, str]]:
    """Names of the variants that differ in one factor only, first level first."""
    place = list(factors).index(factor)
    by_others: dict[tuple[int, ...], list[str]] = {}
    for name, levels in levels_of(factors).items():
        by_others.setdefault(levels[:place] + levels[place + 1 :], []).append(name)
    return [(first, second) for first, second in by_others.values()]


def _differences(study: Study, ledgers: Sequence[Ledger], better: str, than: str) -> Iterator[tuple[Check, str]]:
    """Failed checks of two variants, with a sentence each, unless an override of only one variant names the cause."""
    ledger, variant = {x.variant: x for x in ledgers}, {v.name: v for v in study.variants}
    named = _named_keys(variant[better], variant[than])
    for check in CHECKS:
        a, b = (getattr(ledger[name], check.value) for name in (better, than))
        is_named = any(key.startswith(check.keys) for key in named)
        if not (is_named or math.isnan(a) or math.isnan(b)) and check.differ(a, b):
            yield check, check.text.format(better=better, than=than, a=a, b=b)


def _advice(check: Check, study: Study) -> str:
    return f" (--match {check.match} avoids this)" if {check.match} - {"", *study.match} else ""


def _named_keys(one: Variant, other: Variant) -> set[str]:
    """Keys of the overrides that only one of two variants has."""
    return {override.partition("=")[0].lstrip("+") for override in set(one.overrides) ^ set(other.overrides)}
