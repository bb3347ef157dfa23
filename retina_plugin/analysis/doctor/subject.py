"""What the doctor examines: a config, read once for all checks."""

from functools import cached_property
from typing import Any

from detectron2.config import instantiate
from detectron2.data import DatasetCatalog, MetadataCatalog
from omegaconf import DictConfig

from ...engine.setup import build_model
from ...modeling.meta_arch import PluggableRetinaNet


class Subject:
    """A config before its training, and what it leads to; each part is made when a check first asks for it."""

    def __init__(self, cfg: DictConfig) -> None:
        """`cfg` is a config with its overrides applied, as `get_config` or `read_config` return it."""
        self.cfg = cfg

    @cached_property
    def train_names(self) -> list[str]:
        """Names of the registered training data sets."""
        return _names(self.cfg.dataloader.train.dataset.names)

    @cached_property
    def test_names(self) -> list[str]:
        """Names of the registered test data sets."""
        return _names(self.cfg.dataloader.test.dataset.names)

    @cached_property
    def train(self) -> list[dict[str, Any]]:
        """Dataset dicts of all training images, whatever `filter_empty` says."""
        return [image for name in self.train_names for image in DatasetCatalog.get(name)]

    @cached_property
    def test(self) -> list[dict[str, Any]]:
        """Dataset dicts of all test images."""
        return [image for name in self.test_names for image in DatasetCatalog.get(name)]

    @cached_property
    def class_names(self) -> list[str]:
        """Names of the training data's classes, in the order of their labels."""
        return list(MetadataCatalog.get(self.train_names[0]).thing_classes)

    @cached_property
    def model(self) -> PluggableRetinaNet:
        """The detector with random weights, on the CPU, in evaluation mode."""
        return build_model(self.cfg, pretrained=False).eval()


def _names(names: Any) -> list[str]:
    found = instantiate(names)
    return [found] if isinstance(found, str) else list(found)
