"""Time of inference over image sizes, numbers of classes and batch sizes, each varied alone, and its figure."""

from collections.abc import Mapping, Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ...pages.figures import COLOURS
from ..pairs import Times
from .infer import benchmark_inference

_FACTORS = (0.5, 1.0, 1.5)  # of the sides of the image
_CLASSES = (1, 20, 80, 365)
_BATCHES = (1, 2, 4)
_STEP = 16  # pixels
_STYLES = ("o-", "s--", "^:", "D-.")

Sweep = Mapping[str, Mapping[str, Times]]
"""Times of every side, by the varied quantity and its value as text."""


def sweep_inference(
    config_file: str, size: Sequence[int], candidates: int, repeats: int, overrides: Sequence[str] = ()
) -> dict[str, dict[str, Times]]:
    """Results of `benchmark_inference`, without memory, for one image of the size (H, W) and its variations."""

    def measure(size: Sequence[int] = size, more: Sequence[str] = (), batch_size: int = 1) -> Times:
        return benchmark_inference(
            config_file, size, candidates, repeats, [*overrides, *more], batch_size, memory=False
        )

    sizes = [[max(_STEP, round(factor * side / _STEP) * _STEP) for side in size] for factor in _FACTORS]
    return {
        "image size": {f"{h} x {w}": measure((h, w)) for h, w in sizes},
        "classes": {str(k): measure(more=[f"model.num_classes={k}"]) for k in _CLASSES},
        "images in a batch": {str(n): measure(batch_size=n) for n in _BATCHES},
    }


def draw_sweep(sweep: Sweep) -> Figure:
    """One panel per varied quantity: ratios of time to Detectron2, with their range over rounds."""
    figure = Figure(figsize=(4.8, 2.6 * len(sweep)), layout="constrained")
    panels = figure.subplots(len(sweep), squeeze=False)[:, 0]
    for axes, (varied, points) in zip(panels, sweep.items(), strict=True):
        _draw_panel(axes, varied, points)
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside upper center", ncols=2, frameon=False)
    return figure


def _draw_panel(axes: Axes, varied: str, points: Mapping[str, Times]) -> None:
    first = next(iter(points.values()))
    sides = [name for name, row in first.items() if "ratio" in row]
    for side, style, colour in zip(sides, _STYLES, COLOURS, strict=False):
        rows = [times[side] for times in points.values()]
        ratios = [row["ratio"] for row in rows]
        ranges = [[x["ratio"] - x["lowest"] for x in rows], [x["highest"] - x["ratio"] for x in rows]]
        axes.errorbar(range(len(rows)), ratios, ranges, fmt=style, color=colour, capsize=3, label=side)
    axes.set_xticks(range(len(points)), list(points))
    axes.set(
        xlabel=varied + (" in pixels" if varied == "image size" else ""), ylabel=f"time / {sides[0]}", ylim=(0, None)
    )
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(alpha=0.25)
