"""What summed losses are divided by, however a batch is split over processes and accumulation steps."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from detectron2.utils import comm
from detectron2.utils.events import get_event_storage
from torch import Tensor

__all__ = ["ForegroundAverage"]

_MOMENTUM = 0.9


class ForegroundAverage:
    """Moving average of foreground anchors in a whole batch, kept in a buffer of the model.

    Detectron2 averages the anchors of each process for itself, so that an update depends on how a batch is split. Here
    the anchors of all processes and micro-batches count together; with one of each it is Detectron2's value.
    """

    def __init__(self) -> None:
        self.micro_batches = 1  # forward passes of each process for one update of the weights
        self._counts: list[Tensor] = []
        self._summing = False

    def divisor(self, buffer: Tensor, pos_mask: Tensor) -> Tensor:
        """What to divide this forward pass' summed losses by.

        Gradients are then to be averaged over processes and micro-batches, as DistributedDataParallel and trainers do.

        Args:
            buffer: the average, a scalar; it moves when the batch is complete.
            pos_mask: (N, R), which anchors are foreground.
        """
        count = torch.stack([pos_mask.sum(), pos_mask.new_tensor(len(pos_mask), dtype=torch.long)])
        if self._summing:
            self._counts.append(count)
            return torch.ones_like(buffer)
        self._counts.append(_over_processes(count))
        if self.micro_batches == 1:
            self._move(buffer)
        return buffer / (comm.get_world_size() * self.micro_batches)

    def finish(self, buffer: Tensor) -> float:
        """End a batch of several micro-batches: the factor that its gradients are still to be multiplied by."""
        if self.micro_batches == 1:
            return 1.0
        before = buffer.item()
        self._move(buffer)
        return before / buffer.item()

    @contextmanager
    def summing(self) -> Iterator[None]:
        """Losses are plain sums inside, and the average stays as it is."""
        self._summing = True
        try:
            yield
        finally:
            self._summing = False
            self._counts.clear()

    def counted(self) -> int:
        """Foreground anchors of this process since `summing` began."""
        return int(sum(count[0] for count in self._counts))

    def _move(self, buffer: Tensor) -> None:
        num_pos_anchors, num_images = torch.stack(self._counts).sum(0).tolist()
        self._counts.clear()
        get_event_storage().put_scalar("num_pos_anchors", num_pos_anchors / num_images)
        buffer.mul_(_MOMENTUM).add_(max(num_pos_anchors, 1) * (1 - _MOMENTUM))


def _over_processes(values: Tensor) -> Tensor:
    if comm.get_world_size() > 1:
        torch.distributed.all_reduce(values)
    return values
