"""Which image goes into which batch: indices only, so that skipping batches reads no image."""

import copy
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from .errors import DataError


class SampleIndex(NamedTuple):
    """The position of an image in the training (from 0, over all processes), and its index in the data set."""

    position: int
    index: int


class BatchPlan:
    """Batches of a whole training, for all processes together: a function of sampler and data set only.

    As in Detectron2, a batch holds images of one group (wide or tall), which saves padding. Detectron2 groups images
    separately in every process and worker, so that its batches depend on their number; here they do not.
    """

    def __init__(self, sampler: Iterable[int], batch_size: int, groups: Sequence[int] | None = None) -> None:
        """Plan batches of `batch_size` images over all processes, each of images of one group.

        The sampler is an infinite stream of indices with its own seed, such as Detectron2's training samplers.
        """
        self._sampler, self._batch_size, self._groups = sampler, batch_size, groups

    def __iter__(self) -> Iterator[list[SampleIndex]]:
        """An infinite stream of batches; DataError if the sampler ends."""
        buckets: dict[int, list[SampleIndex]] = defaultdict(list)
        position = -1
        for position, index in enumerate(_of_all_processes(self._sampler)):
            group = self._groups[index] if self._groups else 0
            buckets[group].append(SampleIndex(position, index))
            if len(buckets[group]) == self._batch_size:
                yield buckets.pop(group)
        raise DataError(
            f"dataloader.train.sampler ended after {position + 1} images: training needs an infinite one, "
            "such as detectron2.data.samplers.TrainingSampler"
        )


def aspect_groups(dataset: Sequence[dict[str, Any]]) -> list[int]:
    """0 for images wider than high and 1 for others, as in Detectron2; DataError if one has no width or height."""
    try:
        images = (dataset[i] for i in range(len(dataset)))  # a map-style data set may have no end
        return [0 if image["width"] > image["height"] else 1 for image in images]
    except KeyError as e:
        raise DataError(
            f"images of the training data have no {e}, which dataloader.train.aspect_ratio_grouping needs: "
            "add it, or set dataloader.train.aspect_ratio_grouping=False"
        ) from e


def _of_all_processes(sampler: Iterable[int]) -> Iterator[int]:
    """The whole stream of a Detectron2 sampler, which otherwise yields only the share of this process."""
    whole = copy.copy(sampler)
    if hasattr(whole, "_world_size"):
        whole._rank, whole._world_size = 0, 1
    return iter(whole)
