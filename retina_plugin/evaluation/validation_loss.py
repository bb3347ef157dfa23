"""The training losses, computed on the test data."""

import copy
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from detectron2.config import instantiate
from detectron2.utils import comm
from detectron2.utils.events import EventStorage
from omegaconf import DictConfig
from torch import nn

from ..config import ConfigError
from ..modeling.meta_arch import ForegroundAverage


def build_annotated_loader(cfg: DictConfig) -> Iterable[list[dict[str, Any]]]:
    """Build the test loader of a config with annotations in its batches; it augments as for the test.

    Raises:
        ConfigError: if the mapper of the test data has no argument `is_train`.
    """
    test = copy.deepcopy(cfg.dataloader.test)
    if "is_train" not in test.mapper:
        raise ConfigError(
            "train.val_loss and analyses of anchors set dataloader.test.mapper.is_train, but this mapper has no such "
            "argument: use Detectron2's DatasetMapper, or set train.val_loss=false"
        )
    test.mapper.is_train = True
    return instantiate(test)


@torch.no_grad()
def validation_loss(model: nn.Module, loader: Iterable[list[dict[str, Any]]]) -> dict[str, float]:
    """Compute every loss of a PluggableRetinaNet over a data set, divided by its number of foreground anchors.

    Dropout and BatchNorm are in evaluation mode. `loader` gives this process' share of the annotated batches. Raises
    ConfigError for another model. Losses of a subclass that do not use its `foreground` average are means over batches.
    """
    average = ForegroundAverage.of(model)
    if average is None:
        raise ConfigError(f"train.val_loss needs a PluggableRetinaNet, got {type(model).__name__}")
    sums: Counter[str] = Counter()
    batches = 0
    with average.summing(), _losses_of_a_test(model), EventStorage():
        for batch in loader:
            sums.update({name: loss.item() for name, loss in model(batch).items()})
            batches += 1
        counted = average.counted()
        parts = comm.all_gather((sums, batches if counted is None else counted))
    total: Counter[str] = Counter()
    for part, _ in parts:
        total.update(part)  # `+` of counters would drop losses of 0 and NaN
    return {name: loss / max(sum(count for _, count in parts), 1) for name, loss in total.items()}


@contextmanager
def _losses_of_a_test(model: nn.Module) -> Iterator[None]:
    """Put only the detector itself into training mode, so that it returns losses; its parts stay in evaluation mode."""
    modes = {module: module.training for module in model.modules()}
    model.eval()
    model.training = True
    try:
        yield
    finally:
        for module, training in modes.items():
            module.training = training
