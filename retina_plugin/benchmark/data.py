"""Time of loading training batches, from files to augmented pixels, with Detectron2's loader and this package's."""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

from detectron2.config import instantiate
from detectron2.data import DatasetMapper, build_detection_train_loader
from detectron2.data.samplers import TrainingSampler
from omegaconf import DictConfig

from ..config import load_config
from ..data.seeding import seeded
from ..engine.trainer import Batch
from .pairs import Times, time_in_turn


def benchmark_data(config_file: str, batches: int, overrides: Sequence[str] = ()) -> Times:
    """Seconds for a batch in this process, without workers, and ratios to Detectron2's loader.

    Both sides load the same images in the same order with the same random numbers, so their pixels are equal.
    """
    sides = loaders(load_config(config_file, overrides))
    return time_in_turn({name: partial(next, batch) for name, batch in sides.items()}, batches)


def loaders(cfg: DictConfig) -> dict[str, Iterator[Batch]]:
    """Iterators of both loaders over the same batches, by side."""
    train = cfg.copy().dataloader.train
    train.num_workers, train.seed = 0, cfg.train.seed
    upstream = cfg.copy().dataloader.train
    upstream.mapper._target_ = DatasetMapper
    dataset = instantiate(train.dataset)
    theirs = build_detection_train_loader(
        dataset,
        mapper=_seeded_by_position(instantiate(upstream.mapper), cfg.train.seed),
        sampler=TrainingSampler(len(dataset), seed=cfg.train.seed),
        total_batch_size=train.total_batch_size,
        aspect_ratio_grouping=train.get("aspect_ratio_grouping", True),
    )
    return {"detectron2": iter(theirs), "retina_plugin": iter(instantiate(train))}


def _seeded_by_position(mapper: Callable[[Any], Any], seed: int) -> Callable[[Any], Any]:
    """The mapper with the random numbers that `build_train_loader` gives to the n-th image."""
    position = -1

    def seeded_mapper(dataset_dict: Any) -> Any:
        nonlocal position
        position += 1
        with seeded(seed, position):
            return mapper(dataset_dict)

    return seeded_mapper
