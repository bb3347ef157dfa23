"""The worst errors of each type as crops of their images."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from detectron2.utils.visualizer import Visualizer

from ...inference.images import read_rgb
from ...inference.text import label_text, unknown_characters
from ...pages.figures import jpeg_uri, square_around
from .anchors import AnchorCauses
from .results import Results
from .tables import found_above
from .types import FALSE, Errors, Kind, box_iou

NUM_PICTURES = 4  # of each type
_TIMES, _LEAST = 2.4, 80  # width of a crop: times the longer side of the box, and at least this many pixels
_WIDTH = 360  # of a picture in pixels
# colours differ in brightness as well, and lines in their style
STYLES = {"correct": ("#56b4e9", "-"), "false": ("#ff7f0e", "--"), "missed": ("#ffff66", ":")}


@dataclass(frozen=True)
class Picture:
    """A crop as a data URI, and what is wrong in it."""

    image: str
    caption: str


@dataclass(frozen=True)
class _Box:
    box: np.ndarray
    style: str
    text: str = ""


def draw_gallery(
    results: Results, errors: Errors, score_thresh: float, causes: AnchorCauses | None = None
) -> dict[str, list[Picture]]:
    """By type, the false detections with the highest scores; by "missed", the largest missed objects.

    Raises:
        DataError: if an image cannot be read.
    """
    lost = {x.place: x.cause for x in causes.lost} if causes else {}
    pictures = {}
    for name, kind in FALSE.items():
        worst = _highest(np.flatnonzero(errors.kind == kind), results.found.score)
        pictures[name] = [_draw_false(results, errors, place, score_thresh) for place in worst]
    missed = _highest(np.flatnonzero(~found_above(results, errors, score_thresh)), results.objects.area)
    pictures["missed"] = [_draw_missed(results, errors, place, score_thresh, lost.get(place, "")) for place in missed]
    return pictures


def _highest(places: np.ndarray, values: np.ndarray) -> list[int]:
    return places[np.argsort(-values[places], kind="stable")][:NUM_PICTURES].tolist()


def _draw_false(results: Results, errors: Errors, place: int, score_thresh: float) -> Picture:
    found = results.found
    words = f"{results.classes[found.label[place]]} {found.score[place]:.0%}"
    shown = [*_around(results, errors, found.image[place], score_thresh), _Box(found.box[place], "false", words)]
    return _crop(results, found.image[place], found.box[place], shown, words + _of_target(results, errors, place))


def _of_target(results: Results, errors: Errors, place: int) -> str:
    """The class of a false detection's target object, or its IoU with that object; empty without a target."""
    target, found, objects = errors.target[place], results.found, results.objects
    if target < 0:
        return ""
    if objects.label[target] != found.label[place]:
        return f", the object is {results.classes[objects.label[target]]}"
    return f", IoU {box_iou(found.box[[place]], objects.box[[target]]).item():.2f} with the object"


def _draw_missed(results: Results, errors: Errors, place: int, score_thresh: float, cause: str) -> Picture:
    objects = results.objects
    name = results.classes[objects.label[place]]
    shown = [*_around(results, errors, objects.image[place], score_thresh), _Box(objects.box[place], "missed", name)]
    caption = f"{name}: {cause}" if cause else name
    return _crop(results, objects.image[place], objects.box[place], shown, caption)


def _around(results: Results, errors: Errors, image: int, score_thresh: float) -> Iterator[_Box]:
    """Correct detections and missed objects of an image, without labels."""
    found, objects = results.found, results.objects
    correct = (found.image == image) & (errors.kind == Kind.CORRECT) & (found.score >= score_thresh)
    missed = (objects.image == image) & ~found_above(results, errors, score_thresh)
    yield from (_Box(box, "correct") for box in found.box[correct])
    yield from (_Box(box, "missed") for box in objects.box[missed])


def _crop(results: Results, image: int, box: np.ndarray, boxes: Sequence[_Box], caption: str) -> Picture:
    pixels = read_rgb(results.files[image])
    (left, top), (right, bottom) = square_around(_corners(box)[None], pixels.shape, _TIMES, _LEAST)
    crop = np.ascontiguousarray(pixels[top:bottom, left:right])
    visualizer = Visualizer(crop, scale=_WIDTH / crop.shape[1])
    for shown in boxes:
        corners = _corners(shown.box) - [left, top, left, top]
        if (corners[2:] > 0).all() and corners[0] < right - left and corners[1] < bottom - top:
            _draw_box(visualizer, corners, shown)
    with unknown_characters():
        picture = jpeg_uri(visualizer.output.get_image())
    return Picture(picture, f"{caption} ({Path(results.files[image]).name})")


def _corners(box: np.ndarray) -> np.ndarray:
    """XYXY of a box XYWH."""
    return np.r_[box[:2], box[:2] + box[2:]]


def _draw_box(visualizer: Visualizer, corners: np.ndarray, shown: _Box) -> None:
    colour, line = STYLES[shown.style]
    visualizer.draw_box(corners, alpha=1, edge_color=colour, line_style=line)
    if shown.text:
        size = 11 / visualizer.output.scale
        at = np.maximum(corners[:2], 0)
        visualizer.draw_text(label_text(shown.text), at, font_size=size, color=colour, horizontal_alignment="left")
