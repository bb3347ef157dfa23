"""The first sentence of a report: what was compared, and the result."""

import math
from collections.abc import Sequence

from ..statistics.measurements import Measurements
from ..statistics.verdict import Verdict
from ..statistics.wording import ALIKE, EQUIVALENT, NONE, number

_MOST = 3  # comparisons in one sentence


def opening(measurements: Measurements, verdicts: Sequence[Verdict], seeds: Sequence[int]) -> str:
    """One sentence about the comparisons of a study, with the means of its runs; empty without comparisons."""
    if not verdicts:
        return ""
    parts = [_part(measurements, verdict, len(seeds)) for verdict in verdicts[:_MOST]]
    more = [f"{len(verdicts) - _MOST} more comparisons are below"] if len(verdicts) > _MOST else []
    if len(seeds) > 1:
        return f"With {len(seeds)} seeds, {'; '.join(parts + more)}."
    return f"Trained once each, with seed {seeds[0]}, {'; '.join(parts + more)}; one seed gives no verdict."


def _part(measurements: Measurements, verdict: Verdict, num_seeds: int) -> str:
    h = verdict.hypothesis
    means = [measurements.mean(name, h.metric).mean for name in (h.better, h.than)]
    if any(map(math.isnan, means)):
        return f"{h.better} and {h.than} cannot be compared"
    unit = f" {h.metric.name}" + (f", {h.metric.note}" if h.metric.note else "")
    first, second = (f"{name} ({number(mean, h.metric)}" for name, mean in zip((h.better, h.than), means, strict=True))
    doubt = ", without a verdict" if verdict.outcome == NONE and num_seeds > 1 else ""
    return f"{first}{unit}) {_relation(verdict, means)} {second})" + doubt


def _relation(verdict: Verdict, means: Sequence[float]) -> str:
    if verdict.outcome == NONE:
        if means[0] == means[1]:
            return "came out level with"
        ahead = (means[0] > means[1]) == verdict.hypothesis.metric.higher_is_better
        return "came out ahead of" if ahead else "came out behind"
    if verdict.outcome == ALIKE:
        return "cannot be told from"
    return "is equivalent to" if verdict.outcome == EQUIVALENT else f"is {verdict.outcome} than"
