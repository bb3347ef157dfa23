"""Draw ground truth and detections with Detectron2's Visualizer. Images are RGB, (H, W, 3) uint8."""

from collections.abc import Sequence
from typing import Any

import cv2
import numpy as np
from detectron2.data import Metadata
from detectron2.structures import BoxMode, Instances
from detectron2.utils.visualizer import Visualizer

from ..engine.run_data import names_of_labels
from ..printable import shown
from .text import label_text, unknown_characters

_SMALLEST_SIDE = 480  # pixels; smaller images are enlarged so that labels fit
_COLOURS = [
    tuple(int(c[i : i + 2], 16) / 255 for i in (0, 2, 4))
    for c in ("ffb000", "33bbee", "ee3377", "009988", "cc79ff", "ee7733", "bbcc33", "99ddff")
]


def draw_ground_truth(image: np.ndarray, dataset_dict: dict[str, Any], metadata: Metadata) -> np.ndarray:
    """Draw the annotations of one dataset dict with class names; crowds are marked as such."""
    annotations = dataset_dict.get("annotations", [])
    boxes = [BoxMode.convert(a["bbox"], a["bbox_mode"], BoxMode.XYXY_ABS) for a in annotations]
    classes = [a["category_id"] for a in annotations]
    names = zip(names_of_labels(metadata, classes), annotations, strict=True)
    labels = [f"{label_text(name)} (crowd)" if a.get("iscrowd") else label_text(name) for name, a in names]
    return _draw(image, np.array(boxes).reshape(-1, 4), classes, labels)


def draw_detections(
    image: np.ndarray, instances: Instances, metadata: Metadata, score_thresh: float = 0.5
) -> np.ndarray:
    """Draw the detections with a score of at least `score_thresh`, with class names and scores in percent."""
    instances = instances[instances.scores >= score_thresh].to("cpu")
    classes = instances.pred_classes.tolist()
    names = zip(names_of_labels(metadata, classes), instances.scores.tolist(), strict=True)
    labels = [f"{label_text(name)} {score:.0%}" for name, score in names]
    return _draw(image, instances.pred_boxes.tensor.numpy(), classes, labels)


def titled(image: np.ndarray, title: str) -> np.ndarray:
    """The image with its title in a white strip of 32 pixels above it."""
    strip = np.full((32, image.shape[1], 3), 255, np.uint8)
    cv2.putText(strip, shown(title), (8, 22), cv2.FONT_HERSHEY_SIMPLEX, 0.6, (30, 30, 30), 1, cv2.LINE_AA)
    return np.vstack([strip, image])


def grid(rows: Sequence[Sequence[np.ndarray]]) -> np.ndarray:
    """Rows of equally many images as one picture, padded with white."""
    widths = [max(image.shape[1] for image in column) for column in zip(*rows, strict=True)]
    lines = []
    for row in rows:
        height = max(image.shape[0] for image in row)
        lines.append(np.hstack([_pad(image, height, width) for image, width in zip(row, widths, strict=True)]))
    return np.vstack(lines)


def _pad(image: np.ndarray, height: int, width: int) -> np.ndarray:
    h, w = image.shape[:2]
    return np.pad(image, ((0, height - h + 4), (0, width - w + 4), (0, 0)), constant_values=255)


def _draw(image: np.ndarray, boxes: np.ndarray, classes: Sequence[int], labels: Sequence[str]) -> np.ndarray:
    scale = max(1.0, _SMALLEST_SIDE / max(image.shape[:2]))
    visualizer = Visualizer(np.ascontiguousarray(image), scale=scale)
    colours = [_COLOURS[c % len(_COLOURS)] for c in classes]
    with unknown_characters():
        return visualizer.overlay_instances(boxes=boxes, labels=labels, assigned_colors=colours).get_image()
