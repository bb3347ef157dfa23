"""Pictures of detections in TensorBoard."""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from detectron2.data import Metadata
from detectron2.data.detection_utils import read_image
from detectron2.engine import HookBase
from torch import nn

from ...inference.visualize import draw_detections, draw_ground_truth, grid, titled


class VisualizeDetections(HookBase):
    """Shows ground truth and detections side by side in TensorBoard, every `period` iterations and at the end."""

    def __init__(
        self,
        period: int,
        model: nn.Module,
        dataset_dicts: list[dict[str, Any]],
        mapper: Callable[[dict[str, Any]], dict[str, Any]],
        metadata: Metadata,
        score_thresh: float = 0.3,
    ) -> None:
        """Draw each of `dataset_dicts`; `mapper` turns one into the model's input."""
        self._period, self._model, self._mapper = period, model, mapper
        self._dataset_dicts, self._metadata = dataset_dicts, metadata
        self._score_thresh = score_thresh

    def after_step(self) -> None:
        """Draw if `period` iterations have passed."""
        next_iter = self.trainer.iter + 1
        if self._period and (next_iter % self._period == 0 or next_iter == self.trainer.max_iter):
            for i, dataset_dict in enumerate(self._dataset_dicts):
                picture = torch.from_numpy(self.draw(dataset_dict).copy()).permute(2, 0, 1)
                self.trainer.storage.put_image(f"detections/{i}", picture)

    @torch.no_grad()
    def draw(self, dataset_dict: dict[str, Any]) -> np.ndarray:
        """One picture, (H, W, 3) RGB uint8: ground truth on the left, detections on the right."""
        image = read_image(dataset_dict["file_name"], format="RGB")
        training = self._model.training
        self._model.eval()
        (output,) = self._model([self._mapper(dataset_dict)])
        self._model.train(training)
        truth = draw_ground_truth(image, dataset_dict, self._metadata)
        found = draw_detections(image, output["instances"], self._metadata, self._score_thresh)
        return grid([[titled(truth, "ground truth"), titled(found, "detections")]])
