"""Detect objects in images; write drawings and a json in COCO's results format."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from detectron2.structures import BoxMode, Instances
from tqdm import tqdm

from ..config import load_config
from ..data import DataError
from ..files import write_json
from ..inference.images import drawing_names, find_images, read_rgb, write_rgb
from ..inference.predictor import LazyPredictor
from ..inference.visualize import draw_detections


def predict(
    predictor: LazyPredictor,
    inputs: Sequence[str],
    output: str | Path,
    score_thresh: float = 0.5,
    image_ids: dict[str, int] | None = None,
) -> list[dict[str, Any]]:
    """Draw the detections of every image into the folder `output` and write detections.json there.

    Args:
        predictor: the detector.
        inputs: files, folders or glob patterns.
        output: folder.
        score_thresh: minimum score to draw; the json has all detections.
        image_ids: id by file name, which may include folders; by default images are numbered from 1.

    Returns:
        The content of the json: image_id, file_name, category_id, bbox in XYWH pixels and score per detection.

    Raises:
        DataError: for an input without images, or an image without an id; at the end, for unreadable images.
    """
    paths, unreadable, results = find_images(inputs), [], []
    ids = [_image_id(path, number, image_ids) for number, path in enumerate(paths, 1)]
    category_ids = predictor.metadata.as_dict().get("category_ids")
    for image_id, path, name in zip(ids, tqdm(paths, desc="predict", unit="image"), drawing_names(paths), strict=True):
        try:
            image = read_rgb(path)
        except DataError as e:
            unreadable.append(str(e))
            continue
        instances = predictor(image[:, :, ::-1])
        write_rgb(Path(output, name), draw_detections(image, instances, predictor.metadata, score_thresh))
        key = {"image_id": image_id, "file_name": path.name}
        results += [key | result for result in to_coco(instances, category_ids)]
    write_json(Path(output, "detections.json"), results)
    if unreadable:
        raise DataError(f"{len(unreadable)} of {len(paths)} images: " + "; ".join(unreadable))
    return results


def load_predictor(
    run: str | None, config_file: str, weights: str, overrides: Sequence[str] = (), trust: Sequence[str] = ()
) -> LazyPredictor:
    """The detector of a run folder or, without one, of a config and its weights.

    `trust` lists modules of your own that the config of the run folder may use.
    """
    if run:
        return LazyPredictor.from_run(run, weights, overrides, trust)
    return LazyPredictor(load_config(config_file, overrides), weights)


def read_image_ids(annotation_file: str | Path) -> dict[str, int]:
    """The image id of every file name in an annotation file of COCO."""
    return {image["file_name"]: image["id"] for image in json.loads(Path(annotation_file).read_text())["images"]}


def to_coco(instances: Instances, category_ids: Sequence[int] | None) -> list[dict[str, Any]]:
    """Detections as COCO results: category_id, bbox in XYWH pixels, score; class indices if ids are unknown."""
    boxes = BoxMode.convert(instances.pred_boxes.tensor, BoxMode.XYXY_ABS, BoxMode.XYWH_ABS)
    found = zip(instances.pred_classes.tolist(), boxes.tolist(), instances.scores.tolist(), strict=True)
    return [
        {"category_id": category_ids[c] if category_ids else c, "bbox": box, "score": score} for c, box, score in found
    ]


def _image_id(path: Path, number: int, image_ids: dict[str, int] | None) -> int:
    """The id of the file name that the path ends with; its number in the list without ids."""
    if image_ids is None:
        return number
    for start in reversed(range(len(path.parts))):
        if (image_id := image_ids.get("/".join(path.parts[start:]))) is not None:
            return image_id
    raise DataError(f"{path} is not among the file names that have image ids")
