"""Weights from one file format to another."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from ..files import written_in_full
from ..weights import read_weights, write_safetensors

__all__ = ["convert_weights"]

_HINTS = (
    "__author__",
    "matching_heuristics",
)  # how Detectron2 has to read names that are not its own


def convert_weights(source: str | Path, target: str | Path, overwrite: bool = False) -> int:
    """Write the weights of a checkpoint, and nothing else of it, to another file; the number of tensors.

    Args:
        source: whatever read_weights reads.
        target: a `.safetensors` or `.pth` file.
        overwrite: replace it if it is there.

    Raises:
        CheckpointError: if the source cannot be read, or asks to run code.
        ValueError: if the target is of neither format, or there and not to be replaced.
        OSError: if it cannot be written.
    """
    target = Path(target)
    if target.suffix not in (".safetensors", ".pth"):
        raise ValueError(f"{target} must end in .safetensors or .pth")
    if target.exists() and not overwrite:
        raise ValueError(f"{target} exists: name another file, or give --overwrite")
    content = read_weights(source)
    model = {name: _tensor(name, value) for name, value in content["model"].items()}
    hints = {key: content[key] for key in _HINTS if content.get(key)}
    target.parent.mkdir(parents=True, exist_ok=True)
    if target.suffix == ".safetensors":
        write_safetensors(model, target, {key: str(value) for key, value in hints.items()})
    else:
        with written_in_full(target) as partial:
            torch.save({"model": model} | hints, partial)
    return len(model)


def _tensor(name: str, value: torch.Tensor | np.ndarray) -> torch.Tensor:
    try:
        return torch.as_tensor(value)
    except TypeError as e:
        raise ValueError(f"{name} has dtype {value.dtype}, which no tensor has") from e
