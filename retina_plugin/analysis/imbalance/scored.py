"""Detections made from the logits and deltas of anchors, matched to the ground truth of the same images."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from detectron2.config import instantiate
from detectron2.evaluation.coco_evaluation import instances_to_coco_json
from detectron2.modeling.postprocessing import detector_postprocess
from detectron2.structures import Boxes
from omegaconf import DictConfig

from ...evaluation.calibration import match_scores
from ...evaluation.truth import truth_of
from ...modeling.meta_arch import PluggableRetinaNet
from ..dense import DenseImage, Split


@dataclass
class Detections:
    """Detections on the images added so far, in COCO's result format, with labels as category ids.

    They equal those of an evaluation, but need no second pass of the network. The detections in the run folder may be
    from other weights. Images are numbered in their order, because those of several data sets may have the same ids.
    """

    model: PluggableRetinaNet
    found: list[dict[str, Any]] = field(default_factory=list)
    num_images: int = 0

    def add(self, image: DenseImage) -> None:
        """Detect objects in an image, from its logits and deltas."""
        entry, sizes = image.entry, image.levels.bincount().tolist()
        scores = self.model.cls_loss.scores(image.logits.float())
        parts = [x.split(sizes) for x in (image.anchors, scores, image.deltas)]
        anchors = [Boxes(x) for x in parts[0]]
        result = self.model.inference_single_image(anchors, parts[1], parts[2], tuple(image.image.shape[-2:]))
        result = detector_postprocess(result, entry["height"], entry["width"])
        self.found += instances_to_coco_json(result, self.num_images)
        self.num_images += 1

    def match(self, cfg: DictConfig, split: Split) -> tuple[np.ndarray, np.ndarray]:
        """The (D,) scores of detections and whether each is correct, see `match_scores`."""
        entries = instantiate(cfg.dataloader[split].dataset)[: self.num_images]
        return match_scores(truth_of(entries, range(len(entries)), self.model.num_classes), self.found)
