"""Turns a lack of memory into an error that says which settings need less."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from omegaconf import DictConfig, OmegaConf

from ...printable import first_line

_PHRASES = (
    "can't allocate memory",
    "cannot allocate memory",
    "defaultcpuallocator",
    "out of memory",
    "out_of_memory",
    "std::bad_alloc",
    "could not create a primitive",  # oneDNN's word for it
)
_KEYS = ("dataloader.train.total_batch_size", "train.accumulation", "train.amp.enabled", "dataloader.train.num_workers")
_SIZES = ("short_edge_length", "max_size", "image_size")


class OutOfMemoryError(OSError):
    """The memory of the machine or a GPU is insufficient; the message names settings that reduce it."""


def is_out_of_memory(error: BaseException) -> bool:
    """Whether Python, torch or CUDA could not allocate memory."""
    if isinstance(error, MemoryError | torch.cuda.OutOfMemoryError):
        return True
    return isinstance(error, RuntimeError) and any(phrase in str(error).lower() for phrase in _PHRASES)


@contextmanager
def named_memory_errors(cfg: DictConfig) -> Iterator[None]:
    """Turn any allocation error into an OutOfMemoryError that names the relevant settings of `cfg` and their values."""
    try:
        yield
    except (MemoryError, RuntimeError) as e:
        if not is_out_of_memory(e):
            raise
        raise OutOfMemoryError(
            f"out of memory ({first_line(e)[:200]}). Less is needed with a lower dataloader.train.total_batch_size, a "
            "higher train.accumulation, train.amp.enabled=true, smaller images or a lower "
            f"dataloader.train.num_workers; now {', '.join(_present(cfg))}. Checkpoints are intact"
        ) from e


def _present(cfg: DictConfig) -> Iterator[str]:
    for key in _KEYS:
        yield f"{key}={OmegaConf.select(cfg, key)}"
    mapper = OmegaConf.select(cfg, "dataloader.train.mapper")
    augmentations = (mapper.get("augmentations") if OmegaConf.is_dict(mapper) else None) or []
    for i, augmentation in enumerate(augmentations):
        for name in _SIZES:
            if OmegaConf.is_dict(augmentation) and name in augmentation:
                yield f"dataloader.train.mapper.augmentations[{i}].{name}={augmentation[name]}"
    if (size := OmegaConf.select(cfg, "synthetic.image_size")) is not None:
        yield f"synthetic.image_size={size}"
