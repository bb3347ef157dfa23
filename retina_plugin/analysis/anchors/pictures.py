"""Images with ground truth and the anchors that are assigned to it, drawn with Detectron2's Visualizer."""

from collections.abc import Sequence

import cv2
import numpy as np
import torch
from detectron2.structures import Boxes, pairwise_iou
from detectron2.utils.visualizer import Visualizer
from torch import Tensor

from ...inference.images import read_rgb
from .analyze import Analysis
from .boxes import BoxImage

LEVEL_COLOURS = ("#33bbee", "#ffb000", "#ee3377", "#bbcc33", "#cc79ff", "#99ddff")
_LINES = ("-", "--", "-.", ":")
_STYLE_NAMES = ("solid", "dashed", "dash-dotted", "dotted")
_COLOUR_NAMES = ("blue", "yellow", "red", "green", "purple", "pale blue")
_ANCHORS_PER_BOX = 3
_WIDTH = 720  # pixels of the longer side


def choose_images(analysis: Analysis, images: Sequence[BoxImage], number: int) -> list[int]:
    """Indices of `number` images with boxes: most boxes without an anchor of their own first, then most boxes."""
    without = torch.bincount(analysis.assignment.image[~analysis.assignment.own], minlength=len(images)).tolist()
    with_boxes = [i for i, image in enumerate(images) if len(image.instances)]
    return sorted(with_boxes, key=lambda i: (-without[i], -len(images[i].instances)))[:number]


def draw_assignment(analysis: Analysis, images: Sequence[BoxImage], place: int) -> np.ndarray:
    """One image, (H, W, 3) RGB uint8, with its boxes and up to three of the best foreground anchors of each.

    Boxes with an anchor of their own are white; those with a low-quality match only are thick and dashed; those without
    any anchor are thick, dotted and crossed out.
    """
    image = images[place]
    pixels = cv2.resize(read_rgb(image.entry["file_name"]), image.size[::-1])
    visualizer = Visualizer(pixels, scale=max(1.0, _WIDTH / max(image.size)))
    for box, level in zip(*_foreground(analysis, image), strict=True):
        i = int(level)
        _rectangle(visualizer, box, LEVEL_COLOURS[i % len(LEVEL_COLOURS)], _LINES[i % len(_LINES)], 0.8)
    chosen = analysis.assignment.image == place
    states = zip(analysis.assignment.own[chosen], analysis.assignment.foreground[chosen].sum(1) > 0, strict=True)
    for box, (own, trained) in zip(image.instances.gt_boxes.tensor, states, strict=True):
        _rectangle(visualizer, box, "black", "-", 2.4)
        _rectangle(visualizer, box, "white", "-" if own else "--" if trained else ":", 1.2 if own else 2.4)
        if not trained:
            x0, y0, x1, y1 = box.tolist()
            visualizer.draw_line([x0, x1], [y0, y1], color="white", linewidth=1.2)
            visualizer.draw_line([x0, x1], [y1, y0], color="white", linewidth=1.2)
    return visualizer.output.get_image()


def legend(levels: Sequence[str]) -> str:
    """Colour and line style of every level, in words."""
    names = (
        f"{level} {_COLOUR_NAMES[i % len(_COLOUR_NAMES)]} {_STYLE_NAMES[i % len(_STYLE_NAMES)]}"
        for i, level in enumerate(levels)
    )
    return ", ".join(names)


def _foreground(analysis: Analysis, image: BoxImage) -> tuple[Tensor, Tensor]:
    """(n, 4) the best foreground anchors of every box, and their levels (n,)."""
    by_level = analysis.detector.anchors(image.size)
    anchors = Boxes.cat(by_level)
    levels = torch.repeat_interleave(torch.arange(len(by_level)), torch.tensor([len(x) for x in by_level]))
    iou = pairwise_iou(image.instances.gt_boxes, anchors)
    matches, labels = analysis.detector.matcher(iou)
    chosen = []
    for i in range(len(image.instances)):
        own = ((matches == i) & (labels == 1)).nonzero()[:, 0]
        chosen.append(own[iou[i, own].argsort(descending=True)[:_ANCHORS_PER_BOX]])
    places = torch.cat(chosen)
    return anchors.tensor[places], levels[places]


def _rectangle(visualizer: Visualizer, box: Tensor, colour: str, style: str, width: float) -> None:
    x0, y0, x1, y1 = box.tolist()
    visualizer.draw_line([x0, x1, x1, x0, x0], [y0, y0, y1, y1, y0], color=colour, linestyle=style, linewidth=width)
