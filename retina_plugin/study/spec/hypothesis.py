"""The questions of a study: which variant is expected to be better than which other one."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ...config import ConfigError
from .metrics import COCO_METRICS, Metric, read_metric

logger = logging.getLogger(__name__)
_EXAMPLE = "dict(better='focal', than='ce', metric='AP')"


@dataclass(frozen=True)
class Hypothesis:
    """The claim that variant `better` is better than variant `than` in `metric`, fixed before training.

    `margin` is a difference that would not matter, in the unit of the metric. With a margin, the study also tests
    whether the two variants are equivalent.
    """

    better: str
    than: str
    metric: Metric = COCO_METRICS[0]
    margin: float | None = None

    def __str__(self) -> str:
        within = "" if self.margin is None else f" (equivalent within {self.margin:g})"
        return f"{self.better} is better than {self.than} in {self.metric.name}{within}"


def read_hypotheses(
    entries: Sequence[Any], declared: Sequence[str], kept: Sequence[str], metrics: Sequence[Metric]
) -> tuple[tuple[Hypothesis, ...], tuple[Hypothesis, ...]]:
    """The hypotheses of a study file: first those about variants that are all `kept`, then the others.

    An entry such as dict(better="focal", than="ce", metric="AP") is about two `declared` variants. Its metric defaults
    to the first of `metrics`; with `margin=1.0` it may also end as "equivalent within 1.0".

    Raises:
        ConfigError: if an entry has another form, or names a variant that the file does not define.
    """
    hypotheses = [_read(entry, declared, metrics) for entry in entries]
    asked = tuple(h for h in hypotheses if {h.better, h.than} <= set(kept))
    not_asked = tuple(h for h in hypotheses if h not in asked)
    for hypothesis in not_asked:
        logger.warning("not asked, because not all of its variants run: %s", hypothesis)
    return asked, not_asked


def _read(entry: Any, declared: Sequence[str], metrics: Sequence[Metric]) -> Hypothesis:
    if not isinstance(entry, Mapping) or not {"better", "than"} <= set(entry):
        raise ConfigError(f"hypothesis {entry!r} must be {_EXAMPLE}")
    if unknown := set(entry) - {"better", "than", "metric", "margin"}:
        raise ConfigError(f"hypothesis {entry!r} has unknown keys {sorted(unknown)}: use {_EXAMPLE}")
    metric = read_metric(entry.get("metric", metrics[0].name), metrics)
    hypothesis = Hypothesis(str(entry["better"]), str(entry["than"]), metric, _read_margin(entry))
    where = f"hypothesis {str(hypothesis)!r}"
    for name in (hypothesis.better, hypothesis.than):
        if name not in declared:
            raise ConfigError(f"{where}: the study has no variant {name!r}, only {list(declared)}")
    if hypothesis.better == hypothesis.than:
        raise ConfigError(f"{where} compares a variant with itself")
    return hypothesis


def _read_margin(entry: Mapping[str, Any]) -> float | None:
    margin = entry.get("margin")
    if margin is not None and not (type(margin) in (int, float) and 0 < margin < float("inf")):
        raise ConfigError(f"hypothesis {entry!r}: margin must be a positive number in the unit of the metric")
    return None if margin is None else float(margin)
