"""Time of evaluating random detections, with Detectron2's evaluator and with this package's."""

import contextlib
import io
import json
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from detectron2.data import DatasetCatalog, MetadataCatalog
from detectron2.data.datasets import register_coco_instances
from detectron2.evaluation import COCOEvaluator as Detectron2Evaluator
from detectron2.evaluation.coco_evaluation import instances_to_coco_json
from detectron2.structures import Boxes, Instances
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from ..evaluation import COCOEvaluator
from ..evaluation.box_metrics import evaluate_boxes
from .pairs import seconds_of, summary_of

_NAME = "retina_plugin_benchmark_evaluation"
_WIDTH, _HEIGHT = 640, 480
_OBJECTS = 7  # per image, as in COCO


def benchmark_evaluation(num_images: int, num_detections: int, num_classes: int) -> dict[str, dict[str, Any]]:
    """Seconds for the metric alone and for the whole evaluator of both sides, each measured once, and their APs."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "truth.json")
        truth, outputs = _made_up(num_images, num_detections, num_classes)
        path.write_text(json.dumps(truth))
        register_coco_instances(_NAME, {}, str(path), folder)
        try:
            DatasetCatalog.get(_NAME)  # gives the categories to the evaluators
            return _metric(path, outputs) | _evaluators(outputs)
        finally:
            DatasetCatalog.remove(_NAME)
            MetadataCatalog.remove(_NAME)


def _metric(path: Path, outputs: list[Instances]) -> dict[str, dict[str, Any]]:
    with contextlib.redirect_stdout(io.StringIO()):
        truth = COCO(str(path))
        detections = [found for i, output in enumerate(outputs) for found in instances_to_coco_json(output, i)]
        for found in detections:
            found["category_id"] += 1  # categories count from 1 here
        loaded = truth.loadRes([dict(x) for x in detections])
        sides = {"metric, pycocotools": partial(_pycocotools, truth, loaded)}
        return _once(sides | {"metric": lambda: evaluate_boxes(truth, detections).stats[0]})


def _pycocotools(truth: COCO, loaded: COCO) -> float:
    evaluation = COCOeval(truth, loaded, "bbox")
    evaluation.evaluate()
    evaluation.accumulate()
    evaluation.summarize()
    return evaluation.stats[0]


def _evaluators(outputs: list[Instances]) -> dict[str, dict[str, Any]]:
    return _once(
        {
            "evaluator, Detectron2": partial(_evaluate, Detectron2Evaluator, outputs),
            "evaluator": partial(_evaluate, COCOEvaluator, outputs),
        }
    )


def _evaluate(kind: type[Detectron2Evaluator], outputs: list[Instances]) -> float:
    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(io.StringIO()):
        evaluator = kind(_NAME, output_dir=folder)
        evaluator.reset()
        for i, instances in enumerate(outputs):
            evaluator.process([{"image_id": i}], [{"instances": instances}])
        return evaluator.evaluate()["bbox"]["AP"] / 100


def _once(sides: dict[str, Callable[[], float]]) -> dict[str, dict[str, Any]]:
    """Each side once: its seconds, ratio to the first side, and AP in percent."""
    aps: dict[str, float] = {}
    runs = {name: lambda name=name, run=run: aps.update({name: run()}) for name, run in sides.items()}
    times = summary_of([{name: seconds_of(run) for name, run in runs.items()}])
    return {name: row | {"AP": 100 * aps[name]} for name, row in times.items()}


def _made_up(num_images: int, num_detections: int, num_classes: int) -> tuple[dict[str, Any], list[Instances]]:
    """A data set in COCO's format, and detections; a third of them lie near an object and have its class."""
    rng = np.random.default_rng(0)
    annotations: list[dict[str, Any]] = []
    outputs = []
    for image in range(num_images):
        boxes, classes = _boxes(rng, _OBJECTS), rng.integers(num_classes, size=_OBJECTS)
        for (x, y, w, h), k in zip(boxes.tolist(), classes.tolist(), strict=True):
            own = {"id": len(annotations) + 1, "image_id": image, "category_id": k + 1, "iscrowd": 0}
            annotations.append(own | {"bbox": [x, y, w, h], "area": w * h})
        near, of = rng.random(num_detections) < 1 / 3, rng.integers(_OBJECTS, size=num_detections)
        found = np.where(near[:, None], boxes[of] * rng.uniform(0.9, 1.1, (num_detections, 4)), _boxes(rng, len(of)))
        found[:, 2:] += found[:, :2]
        instances = Instances((_HEIGHT, _WIDTH))
        instances.pred_boxes = Boxes(torch.from_numpy(found).float())
        instances.scores = torch.from_numpy(rng.random(num_detections)).float()
        instances.pred_classes = torch.from_numpy(np.where(near, classes[of], rng.integers(num_classes, size=len(of))))
        outputs.append(instances)
    images = [{"id": i, "width": _WIDTH, "height": _HEIGHT, "file_name": f"{i}.jpg"} for i in range(num_images)]
    categories = [{"id": k + 1, "name": str(k)} for k in range(num_classes)]
    return {"images": images, "annotations": annotations, "categories": categories}, outputs


def _boxes(rng: np.random.Generator, number: int) -> np.ndarray:
    """(number, 4) XYWH in pixels."""
    size = np.exp(rng.uniform(np.log(8), np.log(300), (number, 2)))
    return np.concatenate([rng.uniform(0, 1, (number, 2)) * (_WIDTH, _HEIGHT), size], axis=1)
