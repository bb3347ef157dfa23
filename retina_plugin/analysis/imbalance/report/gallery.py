"""Pictures of hard background anchors: what lies there, with the anchor and the box that the detector predicts."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

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


@dataclass(frozen=True)
class Picture:
    """One hard background anchor.

    Attributes:
        image: data URI.
        title: what the detector predicts.
        words: which labelled object is there.
        file_name: of the image.
        is_apart: as in `HardAnchor`.
    """

    image: str
    title: str
    words: str
    file_name: str
    is_apart: bool


def draw_gallery(anchors: Sequence[HardAnchor], class_names: Sequence[str]) -> list[Picture]:
    """One picture per anchor; raises DataError if an image cannot be read."""
    return [
        Picture(
            jpeg_uri(_draw(read_rgb(anchor.file_name), anchor)),
            f"{class_names[anchor.category]} {anchor.score:.0%}, gradient {anchor.gradient_norm:.2g}",
            words_of(anchor, class_names),
            Path(anchor.file_name).name,
            anchor.is_apart,
        )
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
