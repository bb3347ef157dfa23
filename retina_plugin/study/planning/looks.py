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
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from ...files import write_json
from ...reading import read_json

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
    if not isinstance(record, dict) or "share" not in record:
        return False
    share = 0 if record["share"] is None else record["share"]
    if not isinstance(share, int | float) or not 0 <= share <= 1:
        return False
    return isinstance(record.get("seeds"), list) and all(type(seed) is int for seed in record["seeds"])
