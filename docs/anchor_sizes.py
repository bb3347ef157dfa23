"""How well anchors match square objects of every size, computed from the anchor generator."""

import numpy as np
from matplotlib.figure import Figure

from retina_plugin.modeling import OctaveAnchorGenerator
from retina_plugin.pages.figures import COLOURS, new_panel

LAYOUTS = {
    "P3 to P7, base scale 4 (the paper)": ([8, 16, 32, 64, 128], 4.0),
    "P3 to P7, base scale 2": ([8, 16, 32, 64, 128], 2.0),
    "P2 to P6, base scale 4": ([4, 8, 16, 32, 64], 4.0),
}
_SIDES = np.geomspace(4, 600, 90)


def anchor_sizes() -> Figure:
    """Mean best IoU over the places of an object, by its side, for three layouts of anchors."""
    figure, axes = new_panel("Best anchor of a square object", "side of the object, pixels", "IoU, mean over places")
    for (label, (strides, scale)), colour, style in zip(LAYOUTS.items(), COLOURS, ("-", "--", "-."), strict=False):
        axes.plot(_SIDES, [mean_best_iou(side, strides, scale) for side in _SIDES], style, color=colour, label=label)
    for iou, words in ((0.5, "foreground from here"), (0.4, "background below")):
        axes.axhline(iou, color="#888888", linewidth=0.8)
        axes.annotate(words, (600, iou + 0.01), ha="right", fontsize=8)
    axes.set(xscale="log", ylim=(0, 1))
    ticks = [4, 8, 16, 32, 64, 128, 256, 512]
    axes.set_xticks(ticks, ticks)
    axes.minorticks_off()
    axes.legend(frameon=False, fontsize=8, loc="lower center")
    return figure


def mean_best_iou(side: float, strides: list[int], octave_base_scale: float) -> float:
    """IoU of a square with its best anchor, in the mean over all places of its centre; image borders do not count."""
    generator = OctaveAnchorGenerator(strides=strides, octave_base_scale=octave_base_scale)
    span = strides[-1]
    centres = (np.arange(64) + 0.5) * span / 64  # the locations of all levels repeat after the largest stride
    x, y = np.meshgrid(centres, centres)
    best = np.zeros_like(x)
    for stride, anchors in zip(strides, generator.cell_anchors, strict=True):
        dx, dy = (np.abs((place + stride / 2) % stride - stride / 2) for place in (x, y))
        for width, height in (anchors[:, 2:] - anchors[:, :2]).tolist():
            overlap = _overlap(side, width, dx) * _overlap(side, height, dy)
            best = np.maximum(best, overlap / (side**2 + width * height - overlap))
    return float(best.mean())


def _overlap(side: float, length: float, distance: np.ndarray) -> np.ndarray:
    """Common length of two intervals whose centres are `distance` apart."""
    return np.clip((side + length) / 2 - distance, 0, min(side, length))
