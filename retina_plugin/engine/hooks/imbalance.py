"""Record during training which anchors the classification loss comes from."""

import json
import logging
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from detectron2.engine import HookBase
from detectron2.utils import comm
from omegaconf import DictConfig
from torch import nn

from ...config import ConfigError
from ...evaluation.imbalance import ImbalanceSums, imbalance_record, imbalance_shares, imbalance_sums
from ...files import naming, open_to_append
from ...modeling.meta_arch import PluggableRetinaNet, TrainingPass
from ...printable import first_line
from ...run_folder import IMBALANCE
from ..run_data import run_metadata

logger = logging.getLogger(__name__)
_MOST_CLASSES = 20  # more scalars would drown the others; imbalance.jsonl has every class


class ImbalanceRecorder(HookBase):
    """Records the shares that groups of anchors have in `loss_cls` and in its gradient, on the training batches.

    Records the first and every `train.imbalance_period`-th iteration, summed over all processes and micro-batches. The
    metrics get imbalance.cls.GROUP and imbalance.gradient.GROUP, see `imbalance_shares`; imbalance.jsonl gets the sums
    and histograms, see `imbalance_record`. Recording does not change the training by a single bit, and a resumed run
    has the same records as an uninterrupted one.
    """

    def __init__(self, cfg: DictConfig, model: nn.Module) -> None:
        """`model` is the trained detector without wrappers; raises ConfigError if it is not a PluggableRetinaNet."""
        if not isinstance(model, PluggableRetinaNet):
            raise ConfigError(f"train.imbalance_period needs a PluggableRetinaNet, got {type(model).__name__}")
        self._model, self._period = model, cfg.train.imbalance_period
        self._file = Path(cfg.train.output_dir, IMBALANCE)
        self._classes = _class_names(run_metadata(cfg).get("thing_classes", ()), model.num_classes)
        self._seen: list[ImbalanceSums] = []
        self._obstacle, self._is_due = "", False

    def before_step(self) -> None:
        """Observe the training passes of this iteration if it is to be recorded."""
        nth = self.trainer.iter + 1
        self._is_due = (nth == 1 or nth % self._period == 0) and not self._obstacle
        if self._is_due:
            self._seen.clear()
            self._model.observer = self._observe

    def after_step(self) -> None:
        """Record the observed passes; nothing if the update was skipped because it was not finite."""
        if not self._is_due:
            return
        self._model.observer = None
        if self.trainer.storage.latest().get("grad_norm", (0.0, -1))[1] != self.trainer.iter:
            return
        if not self._seen and not self._obstacle:
            self._obstacle = f"{type(self._model).__name__} does not use RetinaNetTraining._losses"
        if self._obstacle:
            logger.warning("train.imbalance_period records nothing: %s", self._obstacle)
            return
        parts = comm.all_gather(sum(self._seen[1:], self._seen[0]))
        self._record(sum(parts[1:], parts[0]))

    def _observe(self, seen: TrainingPass) -> None:
        try:
            self._seen.append(imbalance_sums(self._model.cls_loss, seen, self._model.num_classes))
        except NotImplementedError as e:
            self._obstacle = first_line(e)
            self._model.observer = None

    def _record(self, sums: ImbalanceSums) -> None:
        # by now the normalizer is that of the complete update, whatever the number of passes
        scale = self._model.cls_loss_weight / self._model.loss_normalizer.item()
        record = imbalance_record(sums, self.trainer.iter, scale, self._model.head_in_features, self._classes)
        for name, share in imbalance_shares(record).items():
            if ".class." not in name or len(self._classes) <= _MOST_CLASSES:
                # a slash would make it a metric of an evaluation
                self.trainer.storage.put_scalar(f"imbalance.{name.replace('/', '|')}", share, smoothing_hint=False)
        if comm.is_main_process():
            _append(self._file, record)


def _class_names(known: Sequence[str], number: int) -> list[str]:
    """`known` if it holds one distinct name per class, otherwise the numbers of the classes."""
    return list(known) if len(set(known)) == len(known) == number else [str(i) for i in range(number)]


def _append(path: Path, record: dict[str, Any]) -> None:
    """Append a line and flush it to the disk, before a checkpoint counts it as written."""
    with os.fdopen(open_to_append(path), "a", encoding="utf-8") as file, naming(path):
        file.write(json.dumps(record) + "\n")
        file.flush()
        os.fsync(file.fileno())
