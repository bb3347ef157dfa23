"""Detect in images: drawings, and a json in COCO's results format."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from detectron2.structures import BoxMode, Instances
from tqdm import tqdm

from ..data import DataError
from ..predictor import LazyPredictor
from ..visualize import draw_detections
from .images import find_images, read_rgb, write_json, write_rgb

__all__ = ["predict", "to_coco"]


def predict(
    predictor: LazyPredictor,
    inputs: Sequence[str],
    output: str | Path,
    score_thresh: float = 0.5,
    image_ids: dict[str, int] | None = None,
) -> list[dict[str, Any]]:
    """Draw the detections of every image into `output` and write detections.json there.

    Args:
        predictor: the detector.
        inputs: files, folders or glob patterns.
        output: folder.
        score_thresh: only detections above are drawn; the json has all that the model gives.
        image_ids: id by file name; others are counted from 1.

    Returns:
        What the json holds: image_id, file_name, category_id, bbox in XYWH pixels and score per detection.

    Raises:
        DataError: for an input that names no image; or, after all others are done, for images that cannot be read.
    """
    paths, unreadable, results = find_images(inputs), [], []
    for number, path in enumerate(tqdm(paths, desc="predict", unit="image"), 1):
        try:
            image = read_rgb(path)
        except DataError as e:
            unreadable.append(str(e))
            continue
        instances = predictor(image[:, :, ::-1])
        drawing = draw_detections(image, instances, predictor.metadata, score_thresh)
        write_rgb(Path(output, _unique_names(paths)[path] + ".png"), drawing)
        image_id = (image_ids or {}).get(path.name, number)
        ids = predictor.metadata.as_dict().get("category_ids")
        results += [
            {"image_id": image_id, "file_name": path.name} | r for r in to_coco(instances, ids)
        ]
    write_json(Path(output, "detections.json"), results)
    if unreadable:
        raise DataError(f"{len(unreadable)} of {len(paths)} images: " + "; ".join(unreadable))
    return results


def to_coco(instances: Instances, category_ids: Sequence[int] | None) -> list[dict[str, Any]]:
    """Detections as COCO results: category_id, bbox in XYWH pixels, score; class indices where ids are unknown."""
    boxes = BoxMode.convert(instances.pred_boxes.tensor, BoxMode.XYXY_ABS, BoxMode.XYWH_ABS)
    return [
        {"category_id": category_ids[c] if category_ids else c, "bbox": box, "score": score}
        for c, box, score in zip(
            instances.pred_classes.tolist(), boxes.tolist(), instances.scores.tolist(), strict=True
        )
    ]


def _unique_names(paths: Sequence[Path]) -> dict[Path, str]:
    """Stems, with the folder's name where two files would share one."""
    stems = [path.stem for path in paths]
    return {p: p.stem if stems.count(p.stem) == 1 else f"{p.parent.name}_{p.name}" for p in paths}
