"""Pictures of detections in TensorBoard."""

from typing import Any

import numpy as np
import torch
from detectron2.config import instantiate
from detectron2.engine import HookBase
from omegaconf import DictConfig
from torch import nn

from ...data import read_image
from ..run_data import run_metadata

_SCORE_THRESH = 0.3  # the lowest score to draw


class VisualizeDetections(HookBase):
    """Shows ground truth and detections side by side in TensorBoard, during training and at its end."""

    def __init__(self, cfg: DictConfig, model: nn.Module) -> None:
        """Draws the first `train.vis_images` images of the test data every `train.vis_period` iterations."""
        self._period, self._model, self._metadata = cfg.train.vis_period, model, run_metadata(cfg)
        self._dataset_dicts = instantiate(cfg.dataloader.test.dataset)[: cfg.train.vis_images]
        self._mapper = instantiate(cfg.dataloader.test.mapper)

    def after_step(self) -> None:
        """Put the pictures into the storage every `train.vis_period` iterations and after the last one."""
        next_iter = self.trainer.iter + 1
        if next_iter % self._period == 0 or next_iter == self.trainer.max_iter:
            for i, dataset_dict in enumerate(self._dataset_dicts):
                picture = torch.from_numpy(self.draw(dataset_dict).copy()).permute(2, 0, 1)
                self.trainer.storage.put_image(f"detections/{i}", picture)

    @torch.no_grad()
    def draw(self, dataset_dict: dict[str, Any]) -> np.ndarray:
        """One picture, (H, W, 3) RGB uint8: ground truth on the left, detections on the right."""
        # imports matplotlib, which would delay the start of a training
        from ...inference.visualize import draw_detections, draw_ground_truth, grid, titled

        image = read_image(dataset_dict["file_name"], format="RGB")
        training = self._model.training
        self._model.eval()
        (output,) = self._model([self._mapper(dataset_dict)])
        self._model.train(training)
        truth = draw_ground_truth(image, dataset_dict, self._metadata)
        found = draw_detections(image, output["instances"], self._metadata, _SCORE_THRESH)
        return grid([[titled(truth, "ground truth"), titled(found, "detections")]])
