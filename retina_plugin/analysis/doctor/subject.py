"""The config that the doctor examines, and what its checks derive from it."""

import copy
from functools import cached_property
from typing import Any

from omegaconf import DictConfig

from ...data import dataset_metadata, dataset_names
from ...engine import RunCheckpointer
from ...engine.run_data import initial_classes
from ...engine.setup import build_model, building
from ...modeling.meta_arch import PluggableRetinaNet
from ...weights import InitialWeights
from .reading.coco_set import CocoSet


class Subject:
    """A config before its training, with its data, detector and initial weights; each is built on first access.

    Access raises ConfigError, DataError or CheckpointError if the config, its data or its checkpoint are invalid.
    """

    def __init__(self, cfg: DictConfig) -> None:
        """`cfg` is a config with its overrides applied, as `get_config` or `read_config` return it."""
        self.cfg = cfg

    @cached_property
    def train_names(self) -> list[str]:
        """Names of the registered training data sets."""
        return self._names("train")

    @cached_property
    def train_sets(self) -> list[CocoSet]:
        """The training data sets, including those that the loader refuses."""
        return [CocoSet(name) for name in self.train_names]

    @cached_property
    def test_sets(self) -> list[CocoSet]:
        """The test data sets; one that is training data, too, is the same object in both lists."""
        known = {data.name: data for data in self.train_sets}
        return [known.get(name) or CocoSet(name) for name in self._names("test")]

    @property
    def sets(self) -> list[CocoSet]:
        """All data sets, each once."""
        return list(dict.fromkeys([*self.train_sets, *self.test_sets]))

    @property
    def train(self) -> list[dict[str, Any]]:
        """Dataset dicts of all training images, whatever `filter_empty` says."""
        return [image for data in self.train_sets for image in data.dicts]

    @property
    def test(self) -> list[dict[str, Any]]:
        """Dataset dicts of all test images."""
        return [image for data in self.test_sets for image in data.dicts]

    @cached_property
    def class_names(self) -> list[str]:
        """Names of the training data's classes, in the order of their labels."""
        return list(dataset_metadata(self.train_names[0]).thing_classes)

    @cached_property
    def model(self) -> PluggableRetinaNet:
        """The detector with random weights, on the CPU, in evaluation mode."""
        return build_model(self.cfg, pretrained=False).eval()

    @cached_property
    def initial_weights(self) -> InitialWeights:
        """Which weights a copy of the detector takes from `train.init_checkpoint`."""
        checkpointer = RunCheckpointer(copy.deepcopy(self.model))
        return checkpointer.load_some(self.cfg.train.init_checkpoint, initial_classes(self.cfg))

    def _names(self, split: str) -> list[str]:
        with building(self.cfg, "data"):
            return dataset_names(self.cfg, split)
