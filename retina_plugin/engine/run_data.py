"""What a run's config records about its data: class names, category ids and the number of classes."""

import contextlib
from collections.abc import Iterable, Sequence
from itertools import zip_longest
from typing import Any

from detectron2.config import instantiate
from detectron2.data import Metadata, MetadataCatalog
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from ..config import ConfigError
from ..config.calls import is_call
from ..data import DataError, dataset_metadata, dataset_names
from ..data.coco import check_images, override_of_classes
from ..printable import shown
from ..weights import ClassNames
from .setup import building


def record_data(cfg: DictConfig) -> None:
    """Record class names, category ids, the number of classes, and computed values in the config.

    Computed values are the learning rate and the size of test images. A run folder can then be used without its data.

    Raises:
        ConfigError: if model.num_classes is not the number of categories.
        DataError: if the data cannot be read, or training and test data differ in their categories.
    """
    with building(cfg, "data"):
        names = [*dataset_names(cfg, "train"), *dataset_names(cfg, "test")]
        num_classes = instantiate(cfg.model.num_classes)
        first, *others = map(dataset_metadata, names)
    for other in others:
        if list(other.thing_classes) != list(first.thing_classes):
            place, ours, theirs = _first_difference(first.thing_classes, other.thing_classes)
            override = override_of_classes({data.name: data.thing_classes for data in (first, *others)})
            raise DataError(
                "data sets must have the same categories in the same order, but category "
                f"{place} of {shown(first.name)} is {ours} and that of {shown(other.name)} is {theirs}"
                + (f": set {override}" if override else ""),
                "categories-differ",
            )
    if len(first.thing_classes) != num_classes:
        raise ConfigError(
            f"model.num_classes={num_classes}, but {first.name} has {len(first.thing_classes)} categories: "
            f"set model.num_classes={len(first.thing_classes)}"
        )
    ids = first.as_dict().get("thing_dataset_id_to_contiguous_id", {})
    cfg.model.num_classes = num_classes
    if is_call(cfg.get("optimizer", {}).get("lr")):
        cfg.optimizer.lr = instantiate(cfg.optimizer.lr)
    for call in filter(is_call, OmegaConf.select(cfg, "dataloader.test.mapper.augmentations") or ()):
        if is_call(call.get("short_edge_length")):
            call.short_edge_length = instantiate(call.short_edge_length)
    cfg.metadata = {"thing_classes": list(first.thing_classes), "category_ids": list(ids or range(num_classes))}


def check_images_exist(cfg: DictConfig, splits: Sequence[str] = ("train", "test")) -> None:
    """Raise DataError for a data set without any image on the disk, before a training fails on it minutes later."""
    with building(cfg, "data"):
        for split in splits:
            for name in dataset_names(cfg, split):  # registers it, maybe with another folder than the split before
                check_images(name)


def check_classes(cfg: DictConfig, split: str) -> None:
    """Raise DataError if the data of a split no longer have the classes that a run recorded: labels would be others."""
    recorded = list(run_metadata(cfg).get("thing_classes", ())) if cfg.get("metadata") is not None else None
    for name in dataset_names(cfg, split):
        found = list(dataset_metadata(name).thing_classes)
        if recorded is not None and found != recorded:
            place, now, then = _first_difference(found, recorded)
            raise DataError(
                f"category {place} of {shown(name)} is {now}, but was {then} when the run was trained: use data with "
                "the same categories in the same order; if only its name has changed, correct metadata.thing_classes "
                "in config.yaml of the run",
                "categories-differ",
            )


def _first_difference(ours: Sequence[str], theirs: Sequence[str]) -> tuple[int, str, str]:
    """The place, from 1, of the first names that differ, and both as text for a message."""
    pairs = zip_longest(ours, theirs, fillvalue="none")
    return next((i, *map(shown, pair)) for i, pair in enumerate(pairs, 1) if pair[0] != pair[1])


def run_metadata(cfg: DictConfig) -> Metadata:
    """Class names and category ids that a run recorded; without them, those of the test data if they can be read."""
    metadata = Metadata(name="run")
    if (recorded := cfg.get("metadata")) is not None:
        metadata.set(**OmegaConf.to_container(recorded))
        return metadata
    with contextlib.suppress(ValueError, TypeError, OSError, LookupError, OmegaConfBaseException):  # names may be null
        data = dataset_metadata(dataset_names(cfg, "test")[0]).as_dict()
        ids = data.get("thing_dataset_id_to_contiguous_id", {})
        metadata.set(thing_classes=list(data["thing_classes"]), category_ids=sorted(ids, key=ids.__getitem__))
    return metadata


def names_of_labels(metadata: Metadata, labels: Iterable[int]) -> list[str]:
    """The names of classes given by label, such as "class 3" where the metadata have none."""
    names = metadata.as_dict().get("thing_classes", ())
    return [names[label] if label < len(names) else f"class {label}" for label in labels]


def build_evaluator(cfg: DictConfig) -> Any:
    """The evaluator of the test data; ConfigError if it cannot be built."""
    with building(cfg, "dataloader.evaluator"):
        return instantiate(cfg.dataloader.evaluator)


def try_evaluator(cfg: DictConfig) -> None:
    """Build the evaluator; test data without a json stay without it.

    Upstream writes one for them into the run folder and remembers its path, but the folder may be moved aside.

    Raises:
        ConfigError: if it cannot be built.
    """
    without = [data for data in map(MetadataCatalog.get, dataset_names(cfg, "test")) if data.get("json_file") is None]
    build_evaluator(cfg)
    for data in without:
        vars(data).pop("json_file", None)


def initial_classes(cfg: DictConfig) -> ClassNames | None:
    """Class names of `train.init_checkpoint` and of the run; None without `train.init_classes`.

    Raises:
        ConfigError: if `train.init_classes` is not a list of names.
    """
    with building(cfg, "train.init_classes"):
        theirs = instantiate(cfg.train.get("init_classes"))
    if theirs is None:
        return None
    is_list = isinstance(theirs, Sequence) and not isinstance(theirs, str)
    if not is_list or not all(isinstance(name, str) for name in theirs):
        raise ConfigError(f"train.init_classes must be a list of names, got {shown(theirs)}")
    return ClassNames(tuple(theirs), tuple(run_metadata(cfg).get("thing_classes", ())))
