"""The loss normalizer of a whole batch, however the batch is split over processes and micro-batches."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from detectron2.utils import comm
from detectron2.utils.events import get_event_storage
from torch import Tensor, nn

_MOMENTUM = 0.9
_NAME = "foreground.loss_normalizer"  # name of the buffer within the detector


@dataclass
class Rescaling:
    """Factor by which the gradients and losses of a batch must still be multiplied."""

    factor: float = 1.0


class ForegroundAverage(nn.Module):
    """Moving average of the number of foreground anchors in a batch, by which summed losses are divided.

    Detectron2 keeps one average per process, so an update depends on how a batch is split. This one counts the anchors
    of all processes and micro-batches together. With one process and one micro-batch it equals Detectron2's.
    """

    def __init__(self, initial_value: float = 100.0) -> None:
        """`initial_value` is the average before the first batch, in anchors."""
        super().__init__()
        # float64 holds exactly the values of Detectron2's Python float, which no checkpoint saves
        self.register_buffer("loss_normalizer", torch.tensor(initial_value, dtype=torch.float64))
        self._micro_batches = 1
        self._counts: list[Tensor] = []
        self._summing = False

    @staticmethod
    def of(model: nn.Module) -> ForegroundAverage | None:
        """The average of a detector, or None for a model without one."""
        average = getattr(model, "foreground", None)
        return average if isinstance(average, ForegroundAverage) else None

    def forward(self, pos_mask: Tensor) -> Tensor:
        """The scalar by which to divide the summed losses of this forward pass; `pos_mask` (N, R) is the foreground.

        With gradients enabled, this exchanges counts between all processes, so all must call it equally often, and
        moves the average once a batch is complete. Gradients must then be averaged over processes and micro-batches,
        as DistributedDataParallel and `Trainer` do. Without gradients nothing is exchanged and the average does not
        change; the result assumes that every process has as many foreground anchors as this one. Within `summing` the
        result is 1.
        """
        count = torch.stack([pos_mask.sum(), pos_mask.new_tensor(len(pos_mask), dtype=torch.long)])
        world_size = comm.get_world_size()
        if self._summing:
            self._counts.append(count)
            return torch.ones_like(self.loss_normalizer)
        if not torch.is_grad_enabled():
            return self._moved(self.loss_normalizer.clone(), count[0] * world_size) / world_size
        if world_size > 1:
            torch.distributed.all_reduce(count)
        self._counts.append(count)
        if self._micro_batches == 1:
            self._complete_batch()
        return self.loss_normalizer / (world_size * self._micro_batches)

    @contextmanager
    def accumulating(self, micro_batches: int) -> Iterator[Rescaling]:
        """Count the next `micro_batches` forward passes as one batch; the factor is set when the context ends.

        The average of the complete batch is known only after its last forward pass, hence the factor.
        """
        rescaling = Rescaling()
        self._micro_batches = micro_batches
        try:
            yield rescaling
            if self._counts and micro_batches > 1:  # the losses of a subclass may have a normalizer of their own
                before = self.loss_normalizer.item()
                self._complete_batch()
                rescaling.factor = before / self.loss_normalizer.item()
        finally:
            self._micro_batches = 1
            self._counts.clear()

    @contextmanager
    def summing(self) -> Iterator[None]:
        """Within the context losses are plain sums, processes exchange nothing, and the average does not change."""
        self._summing = True
        before = self.loss_normalizer.clone()
        try:
            yield
        finally:
            self._summing = False
            self._counts.clear()
            self.loss_normalizer.copy_(before)  # the losses of a subclass may move it

    def counted(self) -> int | None:
        """Foreground anchors of this process since `summing` began; None if no pass asked for the average."""
        return int(sum(count[0] for count in self._counts)) if self._counts else None

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *args: Any) -> None:
        """Overrides torch's: a state dict without the average, as of Detectron2's RetinaNet, leaves it as it is."""
        state_dict.setdefault(f"{prefix}loss_normalizer", self.loss_normalizer)
        super()._load_from_state_dict(state_dict, prefix, *args)

    def _complete_batch(self) -> None:
        total = torch.stack(self._counts).sum(0)
        num_pos_anchors, num_images = total.tolist()
        self._counts.clear()
        get_event_storage().put_scalar("num_pos_anchors", num_pos_anchors / num_images)
        self._moved(self.loss_normalizer, total[0])

    @staticmethod
    def _moved(average: Tensor, num_pos_anchors: Tensor) -> Tensor:
        return average.mul_(_MOMENTUM).add_(num_pos_anchors.clamp(min=1).double() * (1 - _MOMENTUM))


def keep_state_dict_name(detector: nn.Module) -> None:
    """Save and load the average of `detector.foreground` as "loss_normalizer", its name in all checkpoints."""
    detector._register_state_dict_hook(_to_public_name)
    detector._register_load_state_dict_pre_hook(_from_public_name)


def _to_public_name(_: nn.Module, state_dict: dict[str, Any], prefix: str, *__: Any) -> None:
    state_dict[f"{prefix}loss_normalizer"] = state_dict.pop(f"{prefix}{_NAME}")


def _from_public_name(state_dict: dict[str, Any], prefix: str, *_: Any) -> None:
    if (public := f"{prefix}loss_normalizer") in state_dict:
        state_dict[f"{prefix}{_NAME}"] = state_dict.pop(public)
