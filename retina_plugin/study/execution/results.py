"""Numbers out of run folders: metrics.json."""

from __future__ import annotations

import math
from dataclasses import dataclass

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
