"""The loss on the test data."""

from __future__ import annotations

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

__all__ = ["build_annotated_loader", "validation_loss"]


def build_annotated_loader(cfg: DictConfig) -> Iterable[list[dict[str, Any]]]:
    """The test data of a config, augmented as for a test, but with their annotations.

    Raises:
        ConfigError: if the mapper of the test data cannot give annotations.
    """
    test = copy.deepcopy(cfg.dataloader.test)
    if "is_train" not in test.mapper:
        raise ConfigError(
            "train.val_loss sets is_train of dataloader.test.mapper, which has no such argument"
        )
    test.mapper.is_train = True
    return instantiate(test)


@torch.no_grad()
def validation_loss(model: nn.Module, loader: Iterable[list[dict[str, Any]]]) -> dict[str, float]:
    """Every loss of a RetinaNet, summed over a data set and divided by its foreground anchors.

    Args:
        model: a PluggableRetinaNet; it computes as in a test, and is left as it was found.
        loader: batches with annotations; of several processes, each gives its part.

    Raises:
        ConfigError: for another model.
    """
    if not hasattr(model, "foreground"):
        raise ConfigError(f"train.val_loss needs a PluggableRetinaNet, got {type(model).__name__}")
    sums: Counter[str] = Counter()
    with model.foreground.summing(), _losses_of_a_test(model), EventStorage():
        for batch in loader:
            sums.update({name: loss.item() for name, loss in model(batch).items()})
        parts = comm.all_gather((sums, model.foreground.counted()))
    total = sum((part for part, _ in parts), Counter())
    return {name: loss / max(sum(count for _, count in parts), 1) for name, loss in total.items()}


@contextmanager
def _losses_of_a_test(model: nn.Module) -> Iterator[None]:
    """Only the detector itself is in training mode, which makes it give losses; dropout and BatchNorm are not."""
    modes = {module: module.training for module in model.modules()}
    model.eval()
    model.training = True
    try:
        yield
    finally:
        for module, training in modes.items():
            module.training = training
