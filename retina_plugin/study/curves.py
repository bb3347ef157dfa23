"""Training curves of a study."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import matplotlib

from .results import RunResult, read_metrics

_PANELS = {
    "loss_cls": "classification loss (each on its own scale: log axis)",
    "loss_box_reg": "box loss",
    "bbox/AP": "AP on the test data",
}


def draw_curves(results: Sequence[RunResult], path: Path) -> Path:
    """Losses and AP over iterations, one colour per variant and one line per seed, into `path`."""
    from matplotlib.figure import Figure

    colours = matplotlib.colormaps["tab10"].colors
    variants = list(dict.fromkeys(r.variant for r in results))
    figure = Figure(figsize=(12, 3.6), layout="constrained")
    for axes, (key, title) in zip(figure.subplots(1, len(_PANELS)), _PANELS.items(), strict=True):
        for result in results:
            points = [(m["iteration"], m[key]) for m in read_metrics(result.run_dir) if key in m]
            style = {"color": colours[variants.index(result.variant) % 10], "marker": "."}
            label = result.variant if result.seed == results[0].seed else None
            axes.plot(*zip(*points, strict=True) if points else ([], []), label=label, **style)
        axes.set(title=title, xlabel="iteration")
        if key == "loss_cls":
            axes.set_yscale("log")
        else:
            axes.set_ylim(bottom=0)
        axes.margins(x=0.05)
        axes.grid(alpha=0.3)
    figure.axes[0].legend()
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=110)
    return path
