"""Split one batch over processes and micro-batches."""

from typing import Any

import torch
from detectron2.utils import comm
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from ..config import ConfigError
from ..printable import few


def micro_batches(batch: list[dict[str, Any]], number: int) -> list[list[dict[str, Any]]]:
    """Split a process's share of a batch into `number` equal parts; raises ConfigError if that is not possible."""
    check_accumulation(len(batch), number)
    size = len(batch) // number
    return [batch[i : i + size] for i in range(0, len(batch), size)]


def check_accumulation(num_images: int, number: int) -> None:
    """Raise ConfigError if the `num_images` of a process cannot be split into `number` equal parts."""
    if num_images % number:
        raise ConfigError(
            f"train.accumulation={number} does not divide the {num_images} images of a process: set "
            "dataloader.train.total_batch_size to a multiple of the number of processes times train.accumulation"
        )


def share_padded_size(batch: list[dict[str, Any]]) -> None:
    """Set "padded_size" of every input to the (H, W) that contains the images of all processes.

    `PluggableRetinaNet.preprocess_image` pads to this size, so that splitting a batch does not change its background
    anchors.
    """
    sizes = _maximum(torch.tensor([list(inputs["image"].shape[-2:]) for inputs in batch]).amax(0))
    for inputs in batch:
        inputs["padded_size"] = tuple(sizes.tolist())


def check_gradients(model: nn.Module) -> None:
    """Raise ConfigError for weights that a backward pass gave no gradient, if the model is shared between processes.

    DistributedDataParallel would stop a step later and name them by number.
    """
    if not isinstance(model, DistributedDataParallel) or model.find_unused_parameters:
        return
    unused = [name for name, x in model.module.named_parameters() if x.requires_grad and x.grad is None]
    if unused:
        raise ConfigError(
            f"no loss depends on {few(unused, 4)}, which a training of several processes does not allow: put their "
            "modules into train.freeze, or set train.ddp.find_unused_parameters=True"
        )


def share_buffers(model: nn.Module) -> None:
    """Copy the model's buffers from the main process.

    Statistics of BatchNorm differ between processes, and checkpoints hold those of the main process.
    """
    if comm.get_world_size() > 1:
        for buffer in model.buffers():
            torch.distributed.broadcast(buffer, src=0)


def any_process(flag: bool) -> bool:
    """Whether `flag` is true in any process; all processes get the same answer."""
    return bool(_maximum(torch.tensor([int(flag)])).item())


def _maximum(values: torch.Tensor) -> torch.Tensor:
    if comm.get_world_size() == 1:
        return values
    on_device = values.cuda() if torch.distributed.get_backend() == "nccl" else values.clone()
    torch.distributed.all_reduce(on_device, torch.distributed.ReduceOp.MAX)
    return on_device.cpu()
