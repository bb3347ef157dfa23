"""Which effect a study can detect, before anything is trained.

An effect can be detected if the study calls it in 80 % of repetitions: the power of a t-test with the degrees of
freedom of `statistics.moderation` at 5 % divided by the number of comparisons, from the noncentral t distribution. How
far differences will spread is unknown before the runs, so the plan gives the effect for the quietest, a typical and the
loudest study of the bank. Resampled test images add to the spread; how much is known only after some runs.
"""

import itertools
import math
from collections.abc import Iterator, Sequence

from scipy.optimize import brentq
from scipy.special import nctdtr, stdtrit

from ..spec.metrics import Metric
from ..spec.study import Study
from ..statistics.bank import heterogeneity, typical_spread
from ..statistics.estimate import LEVEL
from ..statistics.moderation import prior_freedom
from .looks import LOOKS, Look, looks_until, spent
from .recorded import counted_questions

POWER = 0.8
_LARGEST_T = 1e4  # nctdtr gives NaN for 1e5


def detectable_effect(spread: float, num_seeds: int, family: float = 1, prior_freedom: float = 0.0) -> float:
    """The difference that is called with a probability of 80 %, in the unit of `spread`.

    NaN with one seed, infinite if p would have to be so small that `nctdtr` is not exact.

    Args:
        spread: standard deviation of the differences over seeds.
        family: number of comparisons that p is corrected for (Bonferroni).
        prior_freedom: degrees of freedom that other variants add.
    """
    if num_seeds < 2:
        return math.nan
    freedom = num_seeds - 1 + prior_freedom
    threshold = float(stdtrit(freedom, 1 - LEVEL / (2 * family)))
    if threshold > _LARGEST_T:
        return math.inf
    shift = brentq(lambda nc: 1 - float(nctdtr(freedom, nc, threshold)) - POWER, 0.0, 3 * threshold + 10)
    return shift * spread / math.sqrt(num_seeds)


def plan(study: Study, num_cells: int = 1) -> Iterator[str]:
    """Lines that say which effect a study can detect with its seeds, and with 1, 2 and 5 more.

    Comparisons of a study on a grid are also corrected for its `num_cells` cells.
    """
    compared, k = num_cells * (len(study.questions) + len(counted_questions(study))), len(study.factors)
    number = len(study.seeds)
    numbers = [number] if study.adds_seeds else [number, *(number + more for more in (1, 2, 5))]
    if not compared and not k:
        yield "no plan: nothing is compared"
        return
    if compared:
        metric = study.questions[0].metric if study.questions else study.metrics[0]
        yield from _table(study, metric, numbers, "Differences in", compared, {"": 1.0})
    if k:
        yield from _table(study, study.metrics[0], numbers, "Effects on", k + math.comb(k, 2), _spread_of_effects(k))
    yield "Seeds only, on the same test images: intervals that also hold for other images are wider."
    if earlier := sum(look.share for look in _looks(study, number)[:-1]):
        yield f"Earlier reports on some of these seeds spent {earlier:.0%} of the 5 % ({LOOKS} in the study folder)."
    if number < study.planned:
        yield f"The file plans {study.planned} seeds: a report on fewer is a look, which spends a part of the 5 %."
    if study.resample_train:
        yield "The bank's runs shared their training images: with resample_train differences spread further."


def _spread_of_effects(k: int) -> dict[str, float]:
    """The spread of the effects of k factors, relative to the spread of the difference of two variants.

    The effect of one factor is a mean over 2^(k - 1) such differences; an interaction is the difference of two means
    over 2^(k - 2) each.
    """
    one = {", one factor": 2 ** ((1 - k) / 2)}
    return one | {", a pair of factors": 2 ** ((3 - k) / 2)} if k > 1 else one


def _table(
    study: Study, metric: Metric, numbers: Sequence[int], what: str, family: int, kinds: dict[str, float]
) -> Iterator[str]:
    if math.isnan(typical_spread(metric.key)[0]):
        yield f"no plan: the bank knows no spread of {metric.name}"
        return
    yield f"{what} {metric.name} that are called with a probability of {POWER:.0%}, for {family} comparisons:"
    yield f"| runs spread as in | {' | '.join('1 seed' if n == 1 else f'{n} seeds' for n in numbers)} |"
    yield "|---|" + "---|" * len(numbers)
    levels = dict(zip(("the quietest", "a typical", "the loudest"), typical_spread(metric.key), strict=True))
    for (kind, scale), (name, spread) in itertools.product(kinds.items(), levels.items()):
        cells = [_effect(study, metric, scale * spread, n, family) for n in numbers]
        yield f"| {name} study of the bank ({spread:.1f}){kind} | {' | '.join(cells)} |"


def _effect(study: Study, metric: Metric, spread: float, number: int, family: int) -> str:
    others = len(study.variants) + len(study.hidden) - 2
    share = _share(study, number)
    extra = prior_freedom(others, number - 1, heterogeneity(metric.key))
    effect = detectable_effect(spread, number, family / share, extra) if share else math.inf
    return f"{effect:.1f}" if math.isfinite(effect) else "none"


def _share(study: Study, number: int) -> float:
    """The share of the 5 % that a report on so many seeds may spend, the last one of a study that adds seeds."""
    *earlier, last = _looks(study, number)
    if not study.adds_seeds:
        return last.share
    return max(0.0, 1 - max(spent((number - 1) / number), sum(look.share for look in earlier)))


def _looks(study: Study, number: int) -> list[Look]:
    """The looks of the study's folder until a report on `number` seeds, at least its own; the file plans as many."""
    others = range(len(study.seeds) - number, 0)  # no seed is negative
    return looks_until(study.output_dir, [*study.seeds, *others], max(study.planned, number))
