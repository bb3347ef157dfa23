"""Errors of checkpoints."""

import struct
from pathlib import Path, PurePosixPath

from detectron2.utils.file_io import Detectron2Handler

from ..printable import first_line, shown


class CheckpointError(ValueError):
    """A checkpoint that cannot be used; the message names the file."""


class UnsafeCheckpointError(CheckpointError):
    """A checkpoint that refers to a Python object that weights do not need; the message names the object."""


def unsafe(path: str | Path, name: str) -> UnsafeCheckpointError:
    """The error for a checkpoint that refers to the object `name`, given with its module."""
    message = f"checkpoint {shown(path, 500)} asks for {shown(name)}, which weights do not need: not loaded"
    return UnsafeCheckpointError(message)


def unreadable(path: str | Path, error: Exception) -> CheckpointError:
    """The error for a damaged file, from the `error` of any type that reading it raised."""
    if isinstance(error, EOFError):
        reason = "it ends too early"
    elif isinstance(error, MemoryError):
        reason = "there is not enough memory"
    elif isinstance(error, IndexError | KeyError | AttributeError | TypeError | struct.error):
        reason = f"its content is damaged ({first_line(error)})"
    else:
        reason = first_line(error)
    return CheckpointError(f"checkpoint {shown(path, 500)} cannot be read: {reason}")


def not_downloaded(path: str, error: Exception) -> CheckpointError:
    """The error for weights at an address that this machine cannot reach; gives the address for a browser."""
    url = path.replace(Detectron2Handler.PREFIX, Detectron2Handler.S3_DETECTRON2_PREFIX)
    return CheckpointError(
        f"checkpoint {shown(path, 500)} cannot be downloaded ({first_line(error)}). Download {shown(url, 500)} where "
        f"there is a network, copy it here and set train.init_checkpoint=/path/to/{shown(PurePosixPath(url).name)}"
    )
