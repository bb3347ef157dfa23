"""Published figures that a report shows in a table of their own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ...config import ConfigError
from .metrics import Metric, read_metric

__all__ = ["read_paper"]


def read_paper(
    entries: Mapping[str, Any],
    declared: Sequence[str],
    kept: Sequence[str],
    metrics: Sequence[Metric],
) -> dict[str, dict[str, Any]]:
    """Figures by metric name and their "source", by variant, such as dict(focal=dict(AP=34.0, source="Table 1b")).

    The entries are about `declared` variants; those of variants that are not `kept` are left out.

    Raises:
        ConfigError: for an unknown variant, a figure that is not a number, or figures without a source.
    """
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
