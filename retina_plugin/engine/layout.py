"""How one batch is split over processes and accumulation steps."""

from __future__ import annotations

from typing import Any

import torch
from detectron2.utils import comm

from ..config import ConfigError

__all__ = ["any_process", "micro_batches", "same_padding"]


def micro_batches(batch: list[dict[str, Any]], number: int) -> list[list[dict[str, Any]]]:
    """Split a process' share into parts of one size.

    Raises:
        ConfigError: if that cannot be.
    """
    if len(batch) % number:
        raise ConfigError(
            f"train.accumulation={number} does not divide the {len(batch)} images of a process: set "
            "dataloader.train.total_batch_size to a multiple of processes and accumulation"
        )
    size = len(batch) // number
    return [batch[i : i + size] for i in range(0, len(batch), size)]


def same_padding(batch: list[dict[str, Any]]) -> None:
    """Give every input "padded_size", the (H, W) of the largest image of all processes."""
    sizes = torch.tensor([list(inputs["image"].shape[-2:]) for inputs in batch]).amax(0)
    if comm.get_world_size() > 1:
        sizes = _reduce(sizes)
    for inputs in batch:
        inputs["padded_size"] = tuple(sizes.tolist())


def any_process(flag: bool) -> bool:
    """Whether `flag` is true anywhere; the same answer for all processes."""
    if comm.get_world_size() == 1:
        return flag
    return bool(_reduce(torch.tensor([int(flag)])).item())


def _reduce(values: torch.Tensor) -> torch.Tensor:
    on_device = values.cuda() if torch.distributed.get_backend() == "nccl" else values.clone()
    torch.distributed.all_reduce(on_device, torch.distributed.ReduceOp.MAX)
    return on_device.cpu()
