"""Detections made from the logits and deltas of anchors, matched to the ground truth of the same images."""

import contextlib
import io
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from detectron2.config import instantiate
from detectron2.evaluation.coco_evaluation import instances_to_coco_json
from detectron2.modeling.postprocessing import detector_postprocess
from detectron2.structures import Boxes, BoxMode
from omegaconf import DictConfig
from pycocotools.coco import COCO

from ...evaluation.calibration import match_scores
from ...modeling.meta_arch import PluggableRetinaNet
from ..dense import DenseImage, Split


@dataclass
class Detections:
    """Those of the images added so far, in COCO's result format, with classes as categories.

    They are those of a test, without another pass of the network: a run folder's own may be of other weights.
    """

    model: PluggableRetinaNet
    found: list[dict[str, Any]] = field(default_factory=list)
    image_ids: list[Any] = field(default_factory=list)

    def add(self, image: DenseImage) -> None:
        """Detect objects in an image."""
        entry, sizes = image.entry, image.levels.bincount().tolist()
        scores = self.model.cls_loss.scores(image.logits.float())
        parts = [x.split(sizes) for x in (image.anchors, scores, image.deltas)]
        anchors = [Boxes(x) for x in parts[0]]
        result = self.model.inference_single_image(anchors, parts[1], parts[2], tuple(image.image.shape[-2:]))
        result = detector_postprocess(result, entry["height"], entry["width"])
        self.found += instances_to_coco_json(result, entry["image_id"])
        self.image_ids.append(entry["image_id"])

    def match(self, cfg: DictConfig, split: Split) -> tuple[np.ndarray, np.ndarray]:
        """The (D,) scores of detections and whether each is correct, see `match_scores`."""
        entries = instantiate(cfg.dataloader[split].dataset)
        return match_scores(_ground_truth(entries, self.model.num_classes), self.found, img_ids=self.image_ids)


def _ground_truth(entries: list[dict[str, Any]], num_classes: int) -> COCO:
    """Dataset dicts as pycocotools knows them."""
    truth = COCO()
    annotations = [(entry["image_id"], a) for entry in entries for a in entry.get("annotations", ())]
    boxes = [BoxMode.convert(a["bbox"], a["bbox_mode"], BoxMode.XYWH_ABS) for _, a in annotations]
    truth.dataset = {
        "images": [{"id": entry["image_id"]} for entry in entries],
        "categories": [{"id": i, "name": str(i)} for i in range(num_classes)],
        "annotations": [
            {
                "id": number,
                "image_id": image_id,
                "category_id": a["category_id"],
                "bbox": list(box),
                "area": box[2] * box[3],
                "iscrowd": a.get("iscrowd", 0),
            }
            for number, ((image_id, a), box) in enumerate(zip(annotations, boxes, strict=True), 1)
        ],
    }
    with contextlib.redirect_stdout(io.StringIO()):
        truth.createIndex()
    return truth
