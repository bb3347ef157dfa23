"""The data of tuning: AP is measured on images that are neither trained on nor in the study's test data."""

from pathlib import Path
from typing import Any

from detectron2.config import LazyCall
from detectron2.data import DatasetCatalog
from omegaconf import DictConfig, OmegaConf

from ...config import ConfigError
from ...config.calls import is_call, target_of
from ...data import dataset_names, register_split, register_synthetic
from ...engine.setup import building

_SYNTHETIC_SPLIT = "tune"


def hold_out(cfg: DictConfig, share: float) -> None:
    """Change `cfg` so that it is evaluated on data that its training and test data do not contain.

    For synthetic data this is another split, drawn from other random numbers; the training data stay. For a COCO json,
    `share` of the training images are held out, see `register_split`.

    Raises:
        ConfigError: if the training data are several data sets.
    """
    data = cfg.dataloader
    if all(_is_synthetic(data[part].dataset.names) for part in ("train", "test")):
        data.test.dataset.names.split = _SYNTHETIC_SPLIT
        return
    names = data.train.dataset.names
    if not isinstance(names, str) and not is_call(names):
        raise ConfigError(
            f"dataloader.train.dataset.names is {names}: tuning holds out images of one data set with a COCO json"
        )
    source = OmegaConf.to_container(names, resolve=True) if OmegaConf.is_config(names) else names
    for loader, part in ((data.train, "rest"), (data.test, "held_out")):
        loader.dataset.names = LazyCall(register_split)(dataset=source, part=part, share=share)


def check_disjoint(tuned: DictConfig, study: DictConfig) -> None:
    """Check that the evaluation images of a `tuned` config are in neither its training data nor the study's test data.

    Raises:
        ConfigError: naming an image that is in one of them.
        DataError: if data cannot be read.
    """
    measured = _files(tuned, "test")
    for cfg, part, name in ((tuned, "train", "training data"), (study, "test", "test data of the study")):
        if common := measured & _files(cfg, part):
            raise ConfigError(
                f"tuning would measure AP on {len(common)} images that are in the {name} too, such as {min(common)}: "
                f"training and test data of the study must not have images in common"
            )


def _is_synthetic(names: Any) -> bool:
    return is_call(names) and target_of(names) is register_synthetic


def _files(cfg: DictConfig, part: str) -> set[Path]:
    with building(cfg, "data"):
        names = dataset_names(cfg, part)
    return {Path(entry["file_name"]).resolve() for name in names for entry in DatasetCatalog.get(name)}
