"""Numbers out of run folders: metrics.json, and how variants differ."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

METRICS = ("AP", "AP50", "AP75", "APs", "APm", "APl")


@dataclass(frozen=True)
class RunResult:
    """One training: its metrics in percent under "bbox/AP" and so on, or why there are none; its peak memory in MB."""

    variant: str
    seed: int
    run_dir: str
    minutes: float
    metrics: dict[str, float]
    error: str = ""
    memory_mb: float = math.nan

    def value(self, metric: str) -> float:
        """A metric in percent; NaN where there is none."""
        return float(self.metrics.get(f"bbox/{metric}", math.nan))


@dataclass(frozen=True)
class Row:
    """A variant over its seeds: means, spreads and paired differences to the reference, by metric."""

    variant: str
    num_runs: int
    minutes: float
    mean: dict[str, float]
    spread: dict[str, float]
    difference: dict[str, float]


def read_metrics(run_dir: str | Path) -> list[dict[str, Any]]:
    """Lines of a run's metrics.json, without one that is still being written."""
    path = Path(run_dir, "metrics.json")
    if not path.is_file():
        return []
    return [json.loads(x) for x in path.read_text().split("\n")[:-1] if x.endswith("}")]


def final_metrics(run_dir: str | Path) -> dict[str, Any]:
    """The last evaluation of a run; empty if it had none."""
    evaluations = [m for m in read_metrics(run_dir) if any(k.startswith("bbox/") for k in m)]
    return evaluations[-1] if evaluations else {}


def tabulate_runs(results: Sequence[RunResult], reference: str) -> list[Row]:
    """One row per variant, in the order of `results`. Differences pair runs of the same seed.

    Spread is the standard deviation over seeds; NaN for one seed.
    """
    return [
        _row(name, [r for r in results if r.variant == name and not r.error], results, reference)
        for name in dict.fromkeys(r.variant for r in results)
    ]


def _row(name: str, runs: list[RunResult], results: Sequence[RunResult], reference: str) -> Row:
    base = {r.seed: r for r in results if r.variant == reference and not r.error}
    values = {m: [r.value(m) for r in runs] for m in METRICS}
    pairs = {
        m: [r.value(m) - base[r.seed].value(m) for r in runs if r.seed in base] for m in METRICS
    }
    return Row(
        variant=name,
        num_runs=len(runs),
        minutes=_mean([r.minutes for r in runs]),
        mean={m: _mean(v) for m, v in values.items()},
        spread={m: float(np.std(v, ddof=1)) if len(v) > 1 else math.nan for m, v in values.items()},
        difference={m: _mean(v) for m, v in pairs.items()},
    )


def _mean(values: Sequence[float]) -> float:
    return float(np.mean(values)) if values else math.nan
