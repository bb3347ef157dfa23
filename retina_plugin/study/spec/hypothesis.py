"""The questions of a study: which variant is expected to be better than which other one."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ...config import ConfigError
from .metrics import COCO_METRICS, Metric, read_metric

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


def read_hypothesis(entry: Any, declared: Sequence[str], metrics: Sequence[Metric]) -> Hypothesis:
    """A hypothesis of a study file, such as dict(better="focal", than="ce", metric="AP").

    It is about two `declared` variants. Its metric defaults to the first of `metrics`; with `margin=1.0` it may also
    end as "equivalent within 1.0".

    Raises:
        ConfigError: if the entry has another form, or names a variant that the file does not define.
    """
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
