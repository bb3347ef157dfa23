"""Count the foreground logits of training batches without running the network."""

from typing import Any

import torch
from detectron2.structures import Boxes

from .feature_maps import FeatureMaps
from .training import RetinaNetTraining


class ForegroundCounter:
    """Counts the (anchor, class) logits of a batch, and how many of them training labels as foreground."""

    def __init__(self, model: RetinaNetTraining) -> None:
        """`model` gives anchors, padding and label assignment, and must be on the CPU."""
        self.model = model
        self.features = FeatureMaps(model)

    @torch.no_grad()
    def __call__(self, batch: list[dict[str, Any]]) -> tuple[float, float]:
        """Number of foreground logits, and of all logits of anchors that are not ignored.

        An anchor counts with its weight if the label assigner gives weights. `batch` are inputs of the detector with
        "instances".
        """
        height, width = self.model.preprocess_image(batch).tensor.shape[-2:]
        anchors = self.anchors(height, width)
        targets = self.model.training_targets(anchors, [inputs["instances"] for inputs in batch])
        labels, weights = targets.labels, targets.weights
        counts = torch.ones_like(labels, dtype=torch.float64) if weights is None else weights.double()
        is_foreground = (labels >= 0) & (labels < self.model.num_classes)
        return counts[is_foreground].sum().item(), self.model.num_classes * counts[labels >= 0].sum().item()

    def anchors(self, height: int, width: int) -> list[Boxes]:
        """The anchors (Ri, 4) of every level for padded images of this size."""
        return self.model.anchor_generator(self.features(height, width))
