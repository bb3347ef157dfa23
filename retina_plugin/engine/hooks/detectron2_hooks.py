"""What Detectron2's hooks leave out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from detectron2.data import Metadata
from detectron2.data.detection_utils import read_image
from detectron2.engine import HookBase, hooks
from detectron2.utils import comm
from detectron2.utils.events import CommonMetricPrinter
from torch import nn

from ...inference.visualize import draw_detections, draw_ground_truth, grid, titled
from ...run_folder import iteration_checkpoints


class BestCheckpointer(hooks.BestCheckpointer):
    """Opens upstream's memory: a resumed run knows how good its best was. On the main process only it saves."""

    stale = 0  # evaluations since the best one

    @property
    def metric(self) -> str:
        """What the checkpoint is the best in."""
        return self._val_metric

    def _best_checking(self) -> None:
        if not comm.is_main_process():
            return  # metrics are there alone
        before = self.best_iter
        super()._best_checking()
        self.stale = self.stale + 1 if self.best_iter == before else 0

    def state_dict(self) -> dict[str, Any]:
        return {"best": self.best_metric, "iteration": self.best_iter, "stale": self.stale}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.best_metric, self.best_iter = state_dict["best"], state_dict["iteration"]
        self.stale = state_dict["stale"]


class PeriodicCheckpointer(hooks.PeriodicCheckpointer):
    """Opens upstream's memory: a resumed run also removes the old checkpoints that it found."""

    def before_train(self) -> None:
        super().before_train()
        found = iteration_checkpoints(self.checkpointer.save_dir)
        mine = [p for p in found if int(p.stem.removeprefix("model_")) < self.trainer.start_iter]
        self.recent_checkpoints = [str(p) for p in mine]


class PeriodicWriter(hooks.PeriodicWriter):
    """Opens upstream's last write: its terminal printer divides by zero when a run ends right after a line of it."""

    def after_train(self) -> None:
        for writer in self._writers:
            if not isinstance(writer, CommonMetricPrinter):
                writer.write()
            writer.close()


class VisualizeDetections(HookBase):
    """Ground truth beside detections in TensorBoard, every `period` iterations and at the end."""

    def __init__(
        self,
        period: int,
        model: nn.Module,
        dataset_dicts: list[dict[str, Any]],
        mapper: Callable[[dict[str, Any]], dict[str, Any]],
        metadata: Metadata,
        score_thresh: float = 0.3,
    ) -> None:
        """Draw each of `dataset_dicts`, which `mapper` turns into the model's input."""
        self._period, self._model, self._mapper = period, model, mapper
        self._dataset_dicts, self._metadata = dataset_dicts, metadata
        self._score_thresh = score_thresh

    def after_step(self) -> None:
        """Draw when it is time."""
        next_iter = self.trainer.iter + 1
        if self._period and (next_iter % self._period == 0 or next_iter == self.trainer.max_iter):
            for i, dataset_dict in enumerate(self._dataset_dicts):
                picture = torch.from_numpy(self.draw(dataset_dict).copy()).permute(2, 0, 1)
                self.trainer.storage.put_image(f"detections/{i}", picture)

    @torch.no_grad()
    def draw(self, dataset_dict: dict[str, Any]) -> Any:
        """One picture, (H, W, 3) RGB uint8: ground truth on the left, detections on the right."""
        image = read_image(dataset_dict["file_name"], format="RGB")
        training = self._model.training
        self._model.eval()
        (output,) = self._model([self._mapper(dataset_dict)])
        self._model.train(training)
        truth = draw_ground_truth(image, dataset_dict, self._metadata)
        found = draw_detections(image, output["instances"], self._metadata, self._score_thresh)
        return grid([[titled(truth, "ground truth"), titled(found, "detections")]])
