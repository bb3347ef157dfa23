"""Pictures of hard background anchors: what lies there, with the anchor and the box that the detector predicts."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from detectron2.utils.visualizer import Visualizer

from ....inference.images import read_rgb
from ....pages.figures import jpeg_uri, square_around
from ..hard_background import HardAnchor

_WIDTH = 300  # pixels of a picture
_SURROUNDINGS = 2.2  # side of a picture over the larger side of the boxes
_LEAST_SIDE = 48  # pixels of the image
_BOX, _ANCHOR, _OBJECT = "#ffb000", "#ee3377", "#33bbee"


def draw_gallery(anchors: Sequence[HardAnchor], class_names: Sequence[str]) -> list[dict[str, Any]]:
    """By anchor a picture as data URI, what the detector predicts, and which labelled object is there.

    Raises:
        DataError: if an image cannot be read.
    """
    return [
        {
            "image": jpeg_uri(_draw(read_rgb(anchor.file_name), anchor)),
            "title": f"{class_names[anchor.category]} {anchor.score:.0%}, gradient {anchor.gradient_norm:.2g}",
            "words": words_of(anchor, class_names),
            "file_name": Path(anchor.file_name).name,
            "is_apart": anchor.is_apart,
        }
        for anchor in anchors
    ]


def words_of(anchor: HardAnchor, class_names: Sequence[str]) -> str:
    """The labelled object that an anchor's box overlaps, in words."""
    if not anchor.overlap:
        return "no labelled object"
    return f"IoU {anchor.overlap:.2f} with a labelled {class_names[anchor.nearest]}"


def _draw(image: np.ndarray, anchor: HardAnchor) -> np.ndarray:
    around = np.stack([anchor.anchor, anchor.box])
    (left, top), (right, bottom) = square_around(around, image.shape, _SURROUNDINGS, _LEAST_SIDE)
    scale, part = _WIDTH / max(right - left, bottom - top), image[top:bottom, left:right]
    drawing = Visualizer(cv2.resize(part, None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC))
    lines = [(x, _OBJECT, ":") for x in anchor.objects] + [(anchor.anchor, _ANCHOR, "--"), (anchor.box, _BOX, "-")]
    for box, colour, style in lines:
        drawing.draw_box((box - [left, top, left, top]) * scale, alpha=1, edge_color=colour, line_style=style)
    return drawing.output.get_image()
