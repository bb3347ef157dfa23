"""Training batches as a function of (data set, seed, iteration) and nothing else."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import chain, islice
from pathlib import Path
from typing import Any

import numpy as np
import torch
from detectron2.data import DatasetFromList
from detectron2.data.samplers import TrainingSampler
from detectron2.utils import comm
from torch.utils.data import DataLoader, Dataset, IterableDataset, Subset

from .batches import BatchPlan, SampleIndex, aspect_groups
from .errors import DataError
from .seeding import seeded
from .worker_signals import shield_worker

Mapper = Callable[[dict[str, Any]], dict[str, Any] | None]
_MAX_TRIES = 10


def build_train_loader(
    dataset: Sequence[dict[str, Any]] | Dataset,
    *,
    mapper: Mapper,
    total_batch_size: int,
    seed: int | None = None,
    resample_seed: int | None = None,
    sampler: Iterable[int] | None = None,
    aspect_ratio_grouping: bool = True,
    num_workers: int = 0,
    **kwargs: Any,
) -> TrainLoader:
    """Detectron2's `build_detection_train_loader` with batches independent of workers, processes and interruptions.

    Args:
        dataset: dataset dicts of Detectron2.
        mapper: from a dataset dict to the model's input; None means that the image cannot be used.
        total_batch_size: images per update of the weights, over all processes.
        seed: for the order of images and all augmentations that draw from random, numpy or torch; random by default.
        resample_seed: train on a bootstrap sample of the images, as many as there are, drawn with this seed; None for
            all images.
        sampler: an infinite stream of indices with its own seed; by default Detectron2's TrainingSampler.
        aspect_ratio_grouping: whether a batch holds only wide or only tall images.
        num_workers: processes that load images, for each training process; 0 loads in the training process.
        kwargs: arguments of torch's DataLoader.

    Raises:
        DataError: for an iterable-style dataset, one without any object, a batch size that the number of processes
            does not divide, or a sampler together with resample_seed.
    """
    if isinstance(dataset, IterableDataset):
        raise DataError(
            "dataloader.train.dataset is iterable-style, so its batches cannot be a function of the iteration: use "
            "detectron2.data.build_detection_train_loader for it"
        )
    _check_share(total_batch_size, comm.get_world_size())
    seed = comm.shared_random_seed() if seed is None else seed
    if isinstance(dataset, list):
        _check_objects(dataset)
    if resample_seed is not None:
        dataset = _resample(dataset, resample_seed, sampler)
    if sampler is None:
        sampler = TrainingSampler(len(dataset), seed=seed)
    plan = BatchPlan(sampler, total_batch_size, aspect_groups(dataset) if aspect_ratio_grouping else None)
    fingerprint = ""
    if isinstance(dataset, list):
        fingerprint = data_fingerprint(dataset)
        dataset = DatasetFromList(dataset, copy=False)
    samples = _Samples(dataset, mapper, seed)
    return TrainLoader(samples, plan, fingerprint, num_workers=num_workers, **kwargs)


class TrainLoader:
    """Iterates over this process' share of every batch, a list of the mapper's outputs, from `start_iter` on."""

    def __init__(self, samples: Dataset, plan: BatchPlan, fingerprint: str = "", **kwargs: Any) -> None:
        """`fingerprint` identifies the data set; `kwargs` are arguments of torch's DataLoader."""
        self.samples, self.plan, self.fingerprint = samples, plan, fingerprint
        self.start_iter, self._kwargs = 0, kwargs

    def __iter__(self) -> Iterator[list[dict[str, Any]]]:
        """Batches from iteration `start_iter` on; no image of an earlier batch is read."""
        loader = DataLoader(
            self.samples,
            batch_sampler=self._shares(),
            generator=torch.Generator(),  # otherwise torch draws a number from the training's generator
            **{"collate_fn": list, "worker_init_fn": shield_worker} | self._kwargs,
        )
        return iter(loader)

    def _shares(self) -> Iterator[list[SampleIndex]]:
        rank, world_size = comm.get_rank(), comm.get_world_size()
        for batch in islice(self.plan, self.start_iter, None):
            size = len(batch) // world_size
            yield batch[rank * size : (rank + 1) * size]


@contextmanager
def named_worker_death() -> Iterator[None]:
    """Raise DataError if a loading process dies, instead of torch's RuntimeError, which can occur at any point."""
    try:
        yield
    except RuntimeError as e:
        if "DataLoader worker (pid" not in str(e):  # an error of a mapper says "in DataLoader worker process"
            raise
        raise DataError(
            f"a process that loads images died ({str(e).splitlines()[0]}). Usually the machine is out of memory, or "
            "/dev/shm is full: lower dataloader.train.num_workers and continue with --resume"
        ) from e


def data_fingerprint(dataset: Iterable[dict[str, Any]]) -> str:
    """Hash of names, sizes, boxes and labels of all images in their order; 16 hexadecimal digits.

    Folders are left out, so that data can be moved. Pixels are left out because every image would have to be read.
    """
    found_hash = hashlib.sha256()
    for image in dataset:
        annotations = image.get("annotations", ())
        objects = [(list(a["bbox"]), a["category_id"], a.get("iscrowd", 0)) for a in annotations]
        size = image.get("height"), image.get("width")
        found_hash.update(repr((Path(image["file_name"]).name, size, objects)).encode())
    return found_hash.hexdigest()[:16]


class _Samples(Dataset):
    """Map-style data set with a `SampleIndex` as key, which also seeds the augmentation."""

    def __init__(self, dataset: Dataset, mapper: Mapper, seed: int) -> None:
        self._dataset, self._mapper, self._seed = dataset, mapper, seed

    def __getitem__(self, sample: SampleIndex) -> dict[str, Any]:
        index = sample.index
        with seeded(self._seed, sample.position):
            for _ in range(_MAX_TRIES):
                if (mapped := self._mapper(self._dataset[index])) is not None:
                    return mapped
                index = int(np.random.randint(len(self._dataset)))
        raise DataError(
            f"dataloader.train.mapper returned None for {_MAX_TRIES} images in a row: check which images it skips"
        )


def _resample(
    dataset: Sequence[dict[str, Any]] | Dataset, seed: int, sampler: Iterable[int] | None
) -> Sequence[dict[str, Any]] | Dataset:
    """As many images as the data set has, drawn with replacement; DataError if none of them has an object."""
    key = "dataloader.train.resample_seed"
    if sampler is not None:
        raise DataError(f"{key} numbers the images anew, which a sampler does not know: set only one of the two")
    chosen = np.random.default_rng(seed).integers(len(dataset), size=len(dataset)).tolist()
    if not isinstance(dataset, list):
        return Subset(dataset, chosen)
    sample = [dataset[i] for i in chosen]
    _check_objects(sample, f"the bootstrap sample of {key}={seed}")
    return sample


def _check_objects(dataset: Sequence[dict[str, Any]], name: str = "dataloader.train.dataset") -> None:
    """DataError if all images are annotated, but none has an object: the loss would fall to 0 all the same."""
    annotations = [image.get("annotations") for image in dataset]
    if None not in annotations and all(a.get("iscrowd", 0) for a in chain.from_iterable(annotations)):
        raise DataError(
            f"no image of {name} has an object to learn from ({len(dataset)} images): check the "
            "annotations of its json; crowds and objects that Detectron2 skips do not count"
        )


def _check_share(total_batch_size: int, world_size: int) -> None:
    if total_batch_size < 1 or total_batch_size % world_size:
        raise DataError(
            f"dataloader.train.total_batch_size={total_batch_size} cannot be split over {world_size} processes: "
            f"set it to a multiple of {world_size}"
        )
