"""Class names, category ids and number of classes of a run's data, recorded in its config."""

import contextlib
from itertools import zip_longest

from detectron2.config import instantiate
from detectron2.data import Metadata
from omegaconf import DictConfig, OmegaConf

from ..config import ConfigError
from ..data import DataError, dataset_metadata
from ..files import shown
from .setup import building


def record_data(cfg: DictConfig) -> None:
    """Record class names, category ids and the number of classes in the config.

    A run folder can then be used without its data.

    Raises:
        ConfigError: if model.num_classes is not the number of categories.
        DataError: if the data cannot be read, or training and test data differ in their categories.
    """
    with building(cfg, "data"):
        train_names = instantiate(cfg.dataloader.train.dataset.names)
        test_names = instantiate(cfg.dataloader.test.dataset.names)
        num_classes = instantiate(cfg.model.num_classes)
    names = [[n] if isinstance(n, str) else list(n) for n in (train_names, test_names)]
    first, *others = map(dataset_metadata, sum(names, []))
    for other in others:
        if list(other.thing_classes) != list(first.thing_classes):
            pairs = zip_longest(first.thing_classes, other.thing_classes, fillvalue="none")
            place, (ours, theirs) = next((i, p) for i, p in enumerate(pairs, 1) if p[0] != p[1])
            raise DataError(
                "data sets must have the same categories in the same order, but category "
                f"{place} of {shown(first.name)} is {shown(ours)} and that of {shown(other.name)} is {shown(theirs)}"
            )
    if len(first.thing_classes) != num_classes:
        raise ConfigError(
            f"model.num_classes={num_classes}, but {first.name} has {len(first.thing_classes)} categories: "
            f"set model.num_classes={len(first.thing_classes)}"
        )
    ids = first.as_dict().get("thing_dataset_id_to_contiguous_id", {})
    cfg.model.num_classes = num_classes
    cfg.metadata = {"thing_classes": list(first.thing_classes), "category_ids": list(ids or range(num_classes))}


def run_metadata(cfg: DictConfig) -> Metadata:
    """Class names and category ids that a run recorded; otherwise the class names of a registered data set."""
    metadata = Metadata(name="run")
    if (recorded := cfg.get("metadata")) is not None:
        metadata.set(**OmegaConf.to_container(recorded))
    elif isinstance(names := cfg.dataloader.test.dataset.names, str):
        with contextlib.suppress(DataError):
            metadata.set(thing_classes=dataset_metadata(names).thing_classes)
    return metadata
