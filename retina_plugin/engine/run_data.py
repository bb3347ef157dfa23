"""What a run's data say: class names, category ids, number of classes; recorded, so that it serves without them."""

from __future__ import annotations

from detectron2.config import instantiate
from detectron2.data import Metadata
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import InterpolationToMissingValueError, MissingMandatoryValue

from ..config import ConfigError
from ..data import dataset_metadata
from .setup import missing_key_message


def record_data(cfg: DictConfig) -> None:
    """Write what the data say into the config: class names, category ids and the number of classes.

    A run folder then serves without its data.

    Raises:
        ConfigError: if model.num_classes is not the number of categories.
        DataError: if the data cannot be read.
    """
    try:
        names = instantiate(cfg.dataloader.train.dataset.names)
        num_classes = instantiate(cfg.model.num_classes)
    except (MissingMandatoryValue, InterpolationToMissingValueError) as e:
        raise ConfigError(missing_key_message(cfg)) from e
    test_names = instantiate(cfg.dataloader.test.dataset.names)
    name, _ = (
        dataset_metadata(n if isinstance(n, str) else n[0]).name for n in (names, test_names)
    )
    metadata = dataset_metadata(name)
    if len(metadata.thing_classes) != num_classes:
        raise ConfigError(
            f"model.num_classes={num_classes}, but {name} has {len(metadata.thing_classes)} categories: "
            f"set model.num_classes={len(metadata.thing_classes)}"
        )
    ids = metadata.as_dict().get("thing_dataset_id_to_contiguous_id", {})
    cfg.model.num_classes = num_classes
    cfg.metadata = {
        "thing_classes": list(metadata.thing_classes),
        "category_ids": list(ids) or list(range(num_classes)),
    }


def run_metadata(cfg: DictConfig) -> Metadata:
    """Class names and category ids that a run recorded; without any, nothing but what its data set's name tells."""
    metadata = Metadata(name="run")
    recorded = cfg.get("metadata")
    if recorded is not None:
        metadata.set(**OmegaConf.to_container(recorded))
    elif isinstance(names := cfg.dataloader.test.dataset.names, str):
        known = dataset_metadata(names)
        metadata.set(thing_classes=known.thing_classes)
    return metadata
