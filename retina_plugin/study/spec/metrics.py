"""The metrics of a study: values of metrics.json, which direction is better, and published figures beside them."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ...config import ConfigError

_TYPES = {"key": str, "name": str, "higher_is_better": bool, "unit": str}


@dataclass(frozen=True)
class Metric:
    """One value that an evaluator writes into metrics.json.

    Attributes:
        key: its key in metrics.json, such as "bbox/AP50" or "validation/loss_cls".
        name: its label in the report.
        higher_is_better: False for losses and times.
        unit: "%" for values from 0 to 100, any other unit as the report should print it, or empty.
    """

    key: str
    name: str
    higher_is_better: bool = True
    unit: str = "%"

    @property
    def is_percent(self) -> bool:
        """Whether values lie between 0 and 100."""
        return self.unit == "%"

    @property
    def note(self) -> str:
        """Unit and direction for a reader; empty for percent where higher is better."""
        unit = "" if self.is_percent else self.unit
        return ", ".join(filter(None, (unit, "" if self.higher_is_better else "lower is better")))

    def value(self, metrics: Mapping[str, Any]) -> float:
        """The value in a line of metrics.json; NaN if it is not there."""
        value = metrics.get(self.key)
        return math.nan if value is None else float(value)


def read_study_metrics(entries: Sequence[Any]) -> tuple[Metric, ...]:
    """The `metrics` of a study file, in the order of the report's columns.

    Raises:
        ConfigError: if there are none, two have the same name, or an entry is not valid.
    """
    if not isinstance(entries, Sequence) or isinstance(entries, str):
        raise ConfigError(f"metrics must be a list such as ['AP', 'AP50'], got {entries!r}")
    if not entries:
        raise ConfigError("metrics is empty: a report needs at least one, such as 'AP'")
    metrics = tuple(read_metric(entry) for entry in entries)
    check_names(metrics)
    return metrics


def check_names(metrics: Sequence[Metric]) -> None:
    """Raise ConfigError if two metrics have the same name, by which a report's tables know them."""
    names = [metric.name for metric in metrics]
    if twice := sorted({name for name in names if names.count(name) > 1}):
        raise ConfigError(f"metrics: {twice} appear more than once; give each its own name=...")


def read_metric(entry: Any, declared: Sequence[Metric] = ()) -> Metric:
    """One metric of a study file, which may refer to a `declared` one by its name or key.

    An entry is a name such as "AP50", which means "bbox/AP50"; a key of metrics.json with a slash, such as "segm/AP";
    or dict(key=..., name=..., higher_is_better=..., unit=...), where only the key is required. Unless the entry says
    otherwise, lower is better for calibration keys and keys with "loss" after the last slash, and bbox metrics and
    names that begin with AP or AR are in percent.

    Raises:
        ConfigError: if the entry is something else, or has unknown keys or values of the wrong type.
    """
    if isinstance(entry, str) and entry:
        known = [metric for metric in declared if entry in (metric.name, metric.key)]
        return known[0] if known else _from_key(entry if "/" in entry else f"bbox/{entry}")
    if not isinstance(entry, Mapping) or not isinstance(entry.get("key"), str):
        raise ConfigError(
            f"metric {entry!r} must be a name such as 'AP50', a key of metrics.json such as 'segm/AP', or dict(key=...)"
        )
    for key, value in entry.items():
        if key not in _TYPES:
            raise ConfigError(f"metric {entry!r}: key {key!r} is unknown, use {list(_TYPES)}")
        if not isinstance(value, _TYPES[key]):
            raise ConfigError(f"metric {entry!r}: {key} must be a {_TYPES[key].__name__}")
    return replace(_from_key(entry["key"]), **entry)


def _from_key(key: str) -> Metric:
    last = key.rpartition("/")[2]
    of_category = "/AP-" in key  # the name of a category may contain slashes and "loss"
    unit = "%" if of_category or key.startswith("bbox/") or last.startswith(("AP", "AR")) else ""
    is_error = not of_category and ("loss" in last or key.startswith("calibration/"))
    return Metric(key, key.removeprefix("bbox/"), not is_error, unit)


def read_paper(
    entries: Mapping[str, Any], declared: Sequence[str], kept: Sequence[str], metrics: Sequence[Metric]
) -> dict[str, dict[str, Any]]:
    """Published figures of the variants that are kept, such as dict(focal=dict(AP=34.0, source="Table 1b"))."""
    for variant, row in entries.items():
        if variant not in declared:
            raise ConfigError(f"paper: the study has no variant {variant!r}, only {list(declared)}")
        if not isinstance(row, Mapping) or not isinstance(row.get("source"), str):
            raise ConfigError(f"paper.{variant} must be dict(AP=..., source='Table 1b')")
        for name, value in row.items():
            if name != "source" and not isinstance(value, int | float):
                raise ConfigError(f"paper.{variant}.{name} must be a number, got {value!r}")
    return {
        variant: {k if k == "source" else read_metric(k, metrics).name: v for k, v in row.items()}
        for variant, row in entries.items()
        if variant in kept
    }


COCO_METRICS = tuple(_from_key(f"bbox/{name}") for name in ("AP", "AP50", "AP75", "APs", "APm", "APl"))
