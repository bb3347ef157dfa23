"""How much of the classification loss and of its gradient comes from background, in runs that recorded it."""

from collections.abc import Sequence

import numpy as np
from matplotlib.figure import Figure

from ...evaluation.imbalance import imbalance_shares
from ...run_folder import read_imbalance
from ..statistics.measurements import Measurements
from .figures import draw_bands

_SHARES = {"cls.background": "loss_cls", "gradient.background": "the gradient of loss_cls"}
_MOST_POINTS = 60  # of a line; each is then a mean over successive records


def draw_imbalance(measurements: Measurements, variants: Sequence[str]) -> list[Figure]:
    """The share of background over iterations, with bands over seeds; none if no run has imbalance.jsonl."""
    read = {
        name: [records for r in measurements.finished(name).values() if (records := _shares_of(r.run_dir))]
        for name in variants
    }
    if not any(read.values()):
        return []
    figures = []
    for key, what in _SHARES.items():
        lines = {name: [_line(run, key) for run in runs] for name, runs in read.items()}
        figure, axes = draw_bands(lines, f"share of background in {what}", "iteration", "share")
        axes.set_ylim(-0.02, 1.02)
        figures.append(figure)
    return figures


def _shares_of(run_dir: str) -> list[tuple[int, dict[str, float]]]:
    """Iteration and shares of every record that has any."""
    pairs = [(record["iteration"], imbalance_shares(record)) for record in read_imbalance(run_dir)]
    return [(iteration, shares) for iteration, shares in pairs if shares]


def _line(run: Sequence[tuple[int, dict[str, float]]], key: str) -> np.ndarray:
    """(2, P) iterations and shares."""
    points = np.array([(iteration, shares[key]) for iteration, shares in run]).T
    parts = np.array_split(points, min(_MOST_POINTS, points.shape[1]), axis=1)
    return np.stack([part.mean(axis=1) for part in parts], axis=1)
