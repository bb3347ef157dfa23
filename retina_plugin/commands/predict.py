"""Detect objects in images; write drawings and a json in COCO's results format."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from detectron2.data import Metadata
from detectron2.structures import BoxMode, Instances

from ..data import DataError
from ..data.coco_json.entries import Entries
from ..data.json_file import read_json
from ..engine.run_data import names_of_labels
from ..files import write_json
from ..inference.failures import Failures
from ..inference.images import create_folder, drawing_paths, find_images, read_rgb, write_rgb
from ..inference.predictor import LazyPredictor
from ..inference.text import progress
from ..inference.visualize import draw_detections
from ..printable import shown
from ..run_folder import last_evaluation

_LISTED = 20  # images whose counts are printed


def predict(
    predictor: LazyPredictor,
    inputs: Sequence[str],
    output: str | Path,
    score_thresh: float = 0.5,
    image_ids: dict[str, int] | None = None,
    failures: Failures | None = None,
    draw: bool = True,
) -> list[dict[str, Any]]:
    """Draw the detections of every image into the folder `output` and write detections.json there.

    An image that fails does not stop the others. If the user interrupts, detections.json has the images done so far.

    Args:
        predictor: the detector.
        inputs: files, folders or glob patterns.
        output: folder.
        score_thresh: minimum score to draw; the json has all detections.
        image_ids: id by file name, which may include folders; by default images are numbered from 1.
        failures: collects the errors of images, which are then not raised.
        draw: whether to draw; without drawings, small images take a fraction of the time.

    Returns:
        The content of the json: image_id, file_name, category_id, category_name, bbox in XYWH pixels and score per
        detection.

    Raises:
        DataError: for an input without images, an image without an id, or two with the same; at the end, for images
            that could not be read, processed or drawn.
        OSError: if `output` cannot be written to.
    """
    paths = find_images(inputs)
    ids = _image_ids(paths, image_ids)
    drawings = drawing_paths(paths, output) if draw else [None] * len(paths)
    create_folder(output)
    results, failed = [], failures or Failures()
    try:
        for image_id, path, drawing in zip(ids, progress(paths, "predict", "image"), drawings, strict=True):
            with failed.of(path):
                found = _predict_one(predictor, path, drawing, score_thresh)
                results += [{"image_id": image_id, "file_name": path.name} | detection for detection in found]
    finally:
        write_json(Path(output, "detections.json"), results)
    if failures is None:
        failed.raise_if_any()
    return results


def _predict_one(
    predictor: LazyPredictor, path: Path, drawing: Path | None, score_thresh: float
) -> list[dict[str, Any]]:
    """The detections of one image as COCO results without image_id, and their drawing, if it is given a path."""
    image = read_rgb(path)
    instances = predictor(image[:, :, ::-1])
    if drawing is not None:
        write_rgb(drawing, draw_detections(image, instances, predictor.metadata, score_thresh))
    return named_results(instances, predictor.metadata)


def choose_threshold(run: str | None, weights: str | None) -> tuple[float, str]:
    """The minimum score to draw by default, and where it comes from, in words.

    It is the score with the highest F1 in the last evaluation of a run, if its final weights are used; otherwise .5.
    """
    evaluated = last_evaluation(run) if run and not weights else {}
    if (best := evaluated.get("best_F1/score_thresh")) is None:
        return 0.5, "the default, because no evaluation of these weights is known"
    return best, f"the best of the run's last evaluation, with an F1 of {evaluated['best_F1/F1']:.1f} at IoU .5"


def describe_counts(results: Sequence[dict[str, Any]], score_thresh: float) -> str:
    """How many detections reach the threshold in each of the first images, by class, and how many there are in all."""
    drawn: dict[tuple[int, str], Counter[str]] = {}  # images in two folders may have the same name
    for detection in results:
        counts = drawn.setdefault((detection["image_id"], detection["file_name"]), Counter())
        counts[detection["category_name"]] += detection["score"] >= score_thresh
    lines = []
    for (_, name), counts in list(drawn.items())[:_LISTED]:
        by_class = ", ".join(f"{number} {shown(category)}" for category, number in counts.most_common() if number)
        lines.append(f"{shown(name)}: {by_class or 'none'}")
    if len(drawn) > _LISTED:
        lines.append(f"... and {len(drawn) - _LISTED} more images with detections")
    number = sum(counts.total() for counts in drawn.values())
    return "\n".join([*lines, f"{len(results)} found, {number} with scores of {score_thresh:.2f} and over"])


def read_image_ids(annotation_file: str | Path) -> dict[str, int]:
    """The image id of every file name in an annotation file of COCO; DataError for an invalid file."""
    content = read_json(annotation_file)
    if not isinstance(content, dict) or not isinstance(content.get("images"), list):
        raise DataError(f"{shown(annotation_file)} is not in COCO's format: 'images' is not a list")
    images = Entries(shown(annotation_file), "image", content["images"])
    ids, found = images.unique_ids(strings=True), {}
    for image_id, name in zip(ids, images.column("file_name"), strict=True):
        if not isinstance(name, str) or name in found:
            raise DataError(f"{shown(annotation_file)}: image {shown(image_id)} has no file name of its own")
        found[name] = image_id
    return found


def named_results(instances: Instances, metadata: Metadata) -> list[dict[str, Any]]:
    """Detections as `to_coco` gives them, with the name of their class as category_name."""
    names = names_of_labels(metadata, instances.pred_classes.tolist())
    found = to_coco(instances, metadata.as_dict().get("category_ids"))
    return [detection | {"category_name": name} for detection, name in zip(found, names, strict=True)]


def to_coco(instances: Instances, category_ids: Sequence[int] | None) -> list[dict[str, Any]]:
    """Detections as COCO results: category_id, bbox in XYWH pixels, score. Unknown ids are class indices."""
    boxes = BoxMode.convert(instances.pred_boxes.tensor, BoxMode.XYXY_ABS, BoxMode.XYWH_ABS)
    found = zip(instances.pred_classes.tolist(), boxes.tolist(), instances.scores.tolist(), strict=True)
    return [
        {"category_id": category_ids[c] if category_ids else c, "bbox": box, "score": score} for c, box, score in found
    ]


def _image_ids(paths: Sequence[Path], image_ids: dict[str, int] | None) -> list[int]:
    """The id of every path; DataError if two images have the same id, which would merge their detections."""
    ids = [_image_id(path, number, image_ids) for number, path in enumerate(paths, 1)]
    first: dict[int, Path] = {}
    for image_id, path in zip(ids, paths, strict=True):
        if first.setdefault(image_id, path) is not path:
            raise DataError(f"{shown(first[image_id])} and {shown(path)} have the same image id, {shown(image_id)}")
    return ids


def _image_id(path: Path, number: int, image_ids: dict[str, int] | None) -> int:
    """The id of the longest known file name that the path ends with; without `image_ids`, `number`."""
    if image_ids is None:
        return number
    for start in range(len(path.parts)):
        if (image_id := image_ids.get("/".join(path.parts[start:]))) is not None:
            return image_id
    raise DataError(f"{shown(path)} is not among the file names that have image ids")
