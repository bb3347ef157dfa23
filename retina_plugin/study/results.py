"""Numbers out of run folders: metrics.json."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

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
