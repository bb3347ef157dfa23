"""Published figures that a report shows beside its own."""

from collections.abc import Mapping, Sequence
from typing import Any

from ...config import ConfigError
from .metrics import Metric, read_metric


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
