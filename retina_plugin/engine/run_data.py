"""What a run's config records about its data: class names, category ids, number of classes, and the resolved prior."""

import contextlib
from collections.abc import Iterable, Sequence
from itertools import zip_longest
from typing import Any

import numpy as np
from detectron2.config import instantiate
from detectron2.data import Metadata, MetadataCatalog
from detectron2.utils import comm
from detectron2.utils.env import seed_all_rng
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

from ..config import ConfigError
from ..config.calls import is_call
from ..data import DataError, dataset_metadata, dataset_names
from ..data.coco import check_images, override_of_classes
from ..modeling.losses import STATIONARY, stationary_prob
from ..modeling.meta_arch import ForegroundCounter, PluggableRetinaNet
from ..printable import shown
from ..weights import ClassNames
from .layout import share_padded_size
from .setup import PRIOR, build_model, building

_MOST_IMAGES, _MOST_ANCHORS = 128, 10_000_000  # limits for counting labels, which then takes seconds on a CPU
_OF_WORKERS = ("num_workers", "prefetch_factor", "persistent_workers", "multiprocessing_context")


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


def resolve_prior(cfg: DictConfig) -> str:
    """Replace `model.head.prior_prob="stationary"` in the config by a number; returns a sentence for the log.

    The sentence is empty if the config already holds a number. Every process of a training must call this, and all
    processes get the same number.

    Raises:
        ConfigError, ValueError: if the model or its loss has no stationary score.
        DataError: as `measure_foreground_share`.
    """
    if OmegaConf.select(cfg, PRIOR) != STATIONARY:
        return ""
    return set_stationary_prior(cfg, measure_foreground_share(cfg))


def set_stationary_prior(cfg: DictConfig, foreground_share: float) -> str:
    """Set `model.head.prior_prob` to the loss's stationary score for a foreground share; returns a log sentence."""
    with building(cfg, "model.head"):
        loss = instantiate(cfg.model.head.cls_loss)
        prob = stationary_prob(loss, instantiate(cfg.model.num_classes), foreground_share)
    cfg.model.head.prior_prob = float(f"{prob:.6g}")
    return (
        f"{PRIOR}={STATIONARY} is {cfg.model.head.prior_prob:g}: {foreground_share:.3g} of the logits are foreground, "
        f"and a constant score minimises {type(loss).__name__} there"
    )


def measure_foreground_share(cfg: DictConfig) -> float:
    """The share of foreground among all (anchor, class) logits of the first training batches, ignored anchors left out.

    Batches are labelled, without running the network, until they hold 128 images or 10 million anchors. The share
    depends only on the config and `train.seed`, not on the number of processes.

    Raises:
        ConfigError: if the model is not a PluggableRetinaNet or cannot be built.
        DataError: if no anchor is foreground, or the data cannot be read.
    """
    cfg = cfg.copy()
    for key in _OF_WORKERS:
        cfg.dataloader.train.pop(key, None)
    model = build_model(cfg, pretrained=False)
    if not isinstance(model, PluggableRetinaNet):
        raise ConfigError(f"{PRIOR}={STATIONARY} needs a PluggableRetinaNet, got {type(model).__name__}")
    with building(cfg, "dataloader"):
        seed_all_rng(cfg.train.seed)  # for samplers that take no seed
        loader = instantiate(cfg.dataloader.train)
    counter, counts = ForegroundCounter(model), np.zeros(3)
    for batch in loader:
        if comm.get_world_size() > 1:
            share_padded_size(batch)
        with building(cfg, "backbone or anchors"):
            counted = counter(batch)
        counts += np.sum(comm.all_gather((*counted, len(batch))), axis=0)
        foreground, total, images = counts.tolist()
        if images >= _MOST_IMAGES or total >= model.num_classes * _MOST_ANCHORS:
            break
    if not foreground:
        raise DataError(
            f"{PRIOR}={STATIONARY} needs foreground, but no anchor of the first {images:.0f} training images is "
            f"assigned to an object: check annotations and model.anchor_generator, or set {PRIOR} to a number"
        )
    return foreground / total
