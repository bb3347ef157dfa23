"""One picture per proposal: the old box dashed, the new one solid, other annotations thin. Images are RGB uint8."""

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any

import cv2
import numpy as np

from ...inference.images import read_rgb
from ...pages.figures import square_around
from .proposals import Proposal

_SIDE = 256  # pixels of a picture's longer side
_AROUND = 3.0  # sides of the picture over those of the boxes
_LEAST = 64.0  # pixels of the image that a picture shows at least
_OLD, _NEW, _OTHER, _EDGE = (213, 94, 0), (0, 90, 181), (120, 120, 120), (255, 255, 255)
_DASH = 9  # pixels


def draw_proposals(
    proposals: Sequence[Proposal], annotations: dict[Any, list[dict[str, Any]]]
) -> Iterator[tuple[Proposal, np.ndarray]]:
    """Each proposal with its picture (H, W, 3), image by image; `annotations` are those of the json file by image id.

    Raises:
        DataError: for an image that cannot be read.
    """
    by_image: dict[Any, list[Proposal]] = {}
    for proposal in proposals:
        by_image.setdefault(proposal.image_id, []).append(proposal)
    for image_id, own in by_image.items():
        image = read_rgb(own[0].file_name)
        for proposal in own:
            others = [a["bbox"] for a in annotations[image_id] if a["id"] != proposal.annotation_id]
            yield proposal, draw_proposal(image, proposal, np.array(others, float).reshape(-1, 4))


def draw_proposal(image: np.ndarray, proposal: Proposal, others: np.ndarray) -> np.ndarray:
    """The part of an image (H, W, 3) around a proposal; `others` are (N, 4) XYWH boxes of other annotations."""
    boxes = [b for b in (proposal.old_box, proposal.new_box) if b is not None]
    (left, top), (right, bottom) = square_around(np.array(boxes), image.shape, _AROUND, _LEAST)
    part = image[top:bottom, left:right]
    scale = _SIDE / max(part.shape[:2])
    picture = cv2.resize(part, None, fx=scale, fy=scale, interpolation=cv2.INTER_CUBIC if scale > 1 else cv2.INTER_AREA)
    corner = np.array([left, top] * 2)
    for x, y, width, height in others:
        _rectangle(picture, (np.array([x, y, x + width, y + height]) - corner) * scale, _OTHER, 1)
    if proposal.new_box is not None:
        _rectangle(picture, (np.array(proposal.new_box) - corner) * scale, _NEW, 2)
    if proposal.old_box is not None:
        _rectangle(picture, (np.array(proposal.old_box) - corner) * scale, _OLD, 2, dashed=True)
    return picture


def _rectangle(picture: np.ndarray, box: np.ndarray, colour: tuple[int, ...], width: int, dashed: bool = False) -> None:
    """Draw a box with a white edge in place."""
    x1, y1, x2, y2 = box.round().astype(int).tolist()
    corners = [(x1, y1), (x2, y1), (x2, y2), (x1, y2), (x1, y1)]
    for drawn, thickness in ((_EDGE, width + 2), (colour, width)):
        for start, end in pairwise(corners):
            for a, b in _dashes(start, end) if dashed else [(start, end)]:
                cv2.line(picture, a, b, drawn, thickness, cv2.LINE_AA)


def _dashes(start: tuple[int, int], end: tuple[int, int]) -> Iterator[tuple[tuple[int, ...], tuple[int, ...]]]:
    """Ends of the dashes of a line."""
    a, b = np.array(start), np.array(end)
    number = max(int(np.abs(b - a).max()) // (2 * _DASH), 1)
    for i in range(number):
        first, last = a + (b - a) * (i / number), a + (b - a) * ((i + 0.55) / number)
        yield tuple(first.round().astype(int).tolist()), tuple(last.round().astype(int).tolist())
