"""Boxes of a test image as COCO's matching judges them, drawn so that they cannot be taken for parts of the image."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from detectron2.utils.visualizer import Visualizer
from matplotlib.patches import Rectangle
from pycocotools.coco import COCO

from ...evaluation.box_metrics import evaluate_boxes
from ...inference.text import label_text, unknown_characters

# Colour and line style by kind: they differ in grey, too. A dark seam separates every line from the image.
STYLES = {"object": ("#ffffff", "-"), "right": ("#33ddff", "-"), "false": ("#ff4fc3", "--"), "missed": ("#fff04d", ":")}
_WIDTH, _SEAM = 3.0, 3.0  # points at 480 pixels, of a line and of the seam around it
_SMALLEST_SIDE = 480  # pixels; smaller images are enlarged so that labels fit
_FEW = 6  # up to this many boxes in an image, labels have room for large letters


@dataclass(frozen=True)
class JudgedBox:
    """A box XYWH in pixels, its kind (a key of `STYLES`), and a label."""

    box: Sequence[float]
    kind: str
    label: str


def judge_boxes(truth: COCO, detections: Sequence[Mapping[str, Any]], image_id: Any, max_dets: int) -> list[JudgedBox]:
    """The detections of one image as right or false, and its missed objects, at IoU .5.

    A detection is right if it matches an object of its class that no higher-scoring detection matches. Crowds, and
    detections that match crowds, are left out, as in COCO's metrics.
    """
    own = [d for d in detections if d["image_id"] == image_id]
    found = evaluate_boxes(truth, own, [max_dets], [image_id], [0.5], all_areas_only=True)
    objects, judged = objects_of(truth, image_id), []
    for (category, _, _), cell in found.cells.items():
        name = truth.cats[found.category_ids[category]]["name"]
        ranked = sorted((d for d in own if d["category_id"] == found.category_ids[category]), key=lambda d: -d["score"])
        for detection, hit, ignored in zip(ranked, cell["dtMatches"][0], cell["dtIgnore"][0], strict=False):
            if not ignored:
                kind = "right" if hit else "false"
                judged.append(JudgedBox(detection["bbox"], kind, f"{name} {detection['score']:.0%}"))
        matched = {number for number, hit in zip(cell["gtIds"], cell["gtMatches"][0], strict=True) if hit}
        judged += _missed(truth, objects, found.category_ids[category], matched)
    return judged


def objects_of(truth: COCO, image_id: Any) -> dict[int, dict[str, Any]]:
    """Annotations of an image, without crowds, by their 1-based position among all annotations of the json file."""
    everything = enumerate(truth.loadAnns(truth.getAnnIds()), 1)
    return {number: x for number, x in everything if x["image_id"] == image_id and not x["iscrowd"]}


def _missed(truth: COCO, objects: Mapping[int, Any], category: Any, matched: set[int]) -> Iterator[JudgedBox]:
    name = truth.cats[category]["name"]
    for number, annotation in objects.items():
        if annotation["category_id"] == category and number not in matched:
            yield JudgedBox(annotation["bbox"], "missed", name)


def draw_judged(image: np.ndarray, boxes: Sequence[JudgedBox]) -> np.ndarray:
    """An RGB image (H, W, 3) uint8 with its boxes, enlarged if it is small; pages show it at half its size."""
    scale = max(1.0, _SMALLEST_SIDE / max(image.shape[:2]))
    visualizer = Visualizer(np.ascontiguousarray(image), scale=scale)
    thicker = scale * max(image.shape[:2]) / _SMALLEST_SIDE
    size = (18 if len(boxes) <= _FEW else 10) * thicker / scale
    for shown in boxes:
        colour, line = STYLES[shown.kind]
        x, y, width, height = shown.box
        for edge, style, points in (("#000000", "-", _WIDTH + _SEAM), (colour, line, _WIDTH)):
            patch = Rectangle((x, y), width, height, fill=False, ec=edge, lw=points * thicker, ls=style)
            visualizer.output.ax.add_patch(patch)
        at = (max(x, 0), max(y - 1.4 * size, 0))
        visualizer.draw_text(label_text(shown.label), at, font_size=size, color=colour, horizontal_alignment="left")
    with unknown_characters():
        return visualizer.output.get_image()
