"""What a study asks, and what others published: the parts of a study file that its report answers."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ...config import ConfigError

__all__ = ["Hypothesis", "read_hypotheses", "read_metric_names", "read_paper", "read_seeds"]

METRICS = ("AP", "AP50", "AP75", "APs", "APm", "APl")
logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Hypothesis:
    """The claim that variant `better` has more of `metric` than variant `than`."""

    better: str
    than: str
    metric: str = "AP"

    def __str__(self) -> str:
        return f"{self.better} is better than {self.than} in {self.metric}"


def read_hypotheses(
    entries: Sequence[Any], declared: Sequence[str], kept: Sequence[str]
) -> tuple[tuple[Hypothesis, ...], tuple[Hypothesis, ...]]:
    """Hypotheses of a study file: those on variants that run, and those left out because a variant does not.

    Args:
        entries: such as dict(better="focal", than="balanced_ce", metric="AP").
        declared: all variants of the file.
        kept: those that run.

    Raises:
        ConfigError: for an entry that is none, or names a variant or metric that is not there.
    """
    hypotheses = [_read(entry, declared) for entry in entries]
    asked = tuple(h for h in hypotheses if {h.better, h.than} <= set(kept))
    dropped = tuple(h for h in hypotheses if h not in asked)
    for hypothesis in dropped:
        logger.warning("left out, since not all of its variants run: %s", hypothesis)
    return asked, dropped


def _read(entry: Any, declared: Sequence[str]) -> Hypothesis:
    if not isinstance(entry, Mapping) or not {"better", "than"} <= set(entry):
        raise ConfigError(f"hypothesis {entry!r} must be dict(better=..., than=..., metric='AP')")
    if unknown := set(entry) - {"better", "than", "metric"}:
        raise ConfigError(f"hypothesis {entry!r}: nothing takes {sorted(unknown)}")
    hypothesis = Hypothesis(**{str(k): str(v) for k, v in entry.items()})
    for name in (hypothesis.better, hypothesis.than):
        if name not in declared:
            raise ConfigError(f"hypothesis {str(hypothesis)!r}: no variant {name!r} is there")
    if hypothesis.better == hypothesis.than:
        raise ConfigError(f"hypothesis {str(hypothesis)!r} compares a variant with itself")
    read_metric_names([hypothesis.metric])
    return hypothesis


def read_metric_names(names: Sequence[str]) -> tuple[str, ...]:
    """The metrics of a study.

    Raises:
        ConfigError: for one that is not COCO's, or if there is none.
    """
    if not names:
        raise ConfigError("metrics is empty: a report needs one at least, such as 'AP'")
    for name in names:
        if name not in METRICS:
            raise ConfigError(f"no metric {name!r}; there are {', '.join(METRICS)}")
    return tuple(names)


def read_seeds(seeds: Sequence[int]) -> tuple[int, ...]:
    """The seeds of a study.

    Raises:
        ConfigError: if there is none, or one is twice there, which would count a run as two.
    """
    if not seeds or len(set(seeds)) < len(seeds) or not all(type(s) is int for s in seeds):
        raise ConfigError(
            f"seeds must be different whole numbers, and one at least, got {list(seeds)}"
        )
    return tuple(seeds)


def read_paper(
    entries: Mapping[str, Any], declared: Sequence[str], kept: Sequence[str]
) -> dict[str, dict[str, Any]]:
    """Published figures by variant, such as dict(focal=dict(AP=34.0, source="Table 1b")), of the variants that run.

    Raises:
        ConfigError: for a variant or metric that is not there, a figure that is no number, or one without its source.
    """
    for name, row in entries.items():
        if name not in declared:
            raise ConfigError(f"paper: no variant {name!r} is there")
        if not isinstance(row, Mapping) or not isinstance(row.get("source"), str):
            raise ConfigError(f"paper.{name} must be dict(AP=..., source='where it stands')")
        figures = {key: value for key, value in row.items() if key != "source"}
        read_metric_names(list(figures))
        if not all(isinstance(value, int | float) for value in figures.values()):
            raise ConfigError(f"paper.{name}: figures must be numbers, got {figures}")
    return {name: dict(row) for name, row in entries.items() if name in kept}
