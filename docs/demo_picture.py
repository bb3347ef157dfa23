"""A test image of the demo, with the boxes of its four detectors judged."""

import contextlib
import hashlib
import io
from typing import Any

import numpy as np
import stored
from PIL import Image
from pycocotools.coco import COCO

from retina_plugin.inference.visualize import grid, titled
from retina_plugin.study.report.judged_boxes import STYLES, JudgedBox, draw_judged, judge_boxes

_THRESHOLD = 0.5
_LEGEND = "legend"


def demo_tiles() -> dict[str, list[JudgedBox]]:
    """By title, the boxes of demo.jpg."""
    found = stored.results("demo_image")
    truth = COCO()
    truth.dataset = {
        "images": [{"id": 1}],
        "categories": [{"id": int(k), "name": name} for k, name in found["categories"].items()],
        "annotations": [
            {"id": n, "image_id": 1, "iscrowd": 0, "area": x["bbox"][2] * x["bbox"][3], **x}
            for n, x in enumerate(found["objects"], 1)
        ],
    }
    with contextlib.redirect_stdout(io.StringIO()):
        truth.createIndex()
    objects = [JudgedBox(x["bbox"], "object", found["categories"][str(x["category_id"])]) for x in found["objects"]]
    tiles = {"ground truth": objects}
    for name in ("ce_01", "focal_01", "ce", "focal"):
        detections = [d | {"image_id": 1} for d in found["found"][name] if d["score"] >= _THRESHOLD]
        tiles[f"{name}, score at least {_THRESHOLD:g}"] = judge_boxes(truth, detections, 1, 100)
    kinds = {"object": "object", "right": "right detection", "false": "false detection", "missed": "missed object"}
    places = [[14, 20 + 28 * row, 14, 10] for row in range(len(kinds))]
    legend = [JudgedBox(box, kind, text) for box, (kind, text) in zip(places, kinds.items(), strict=True)]
    return tiles | {_LEGEND: legend}


def demo() -> np.ndarray:
    """A test image of the demo under its four detectors, and a legend, in two rows; RGB."""
    pixels = np.asarray(Image.open(stored.DOCS / "results" / "demo_image.png").convert("RGB"))
    plain = np.full_like(pixels, 96)
    tiles = [
        titled(draw_judged(plain if title == _LEGEND else pixels, boxes), title)
        for title, boxes in demo_tiles().items()
    ]
    return grid([tiles[:3], tiles[3:]])


def shown() -> list[Any]:
    """What the picture shows, for its fingerprint."""
    image = hashlib.sha256((stored.DOCS / "results" / "demo_image.png").read_bytes()).hexdigest()
    tiles = {title: [(b.kind, b.label, np.round(b.box, 2).tolist()) for b in x] for title, x in demo_tiles().items()}
    return [image, STYLES, tiles]
