"""Convert weights between file formats."""

from pathlib import Path

import numpy as np
import torch

from ..files import written_in_full
from ..weights import read_weights, write_safetensors

_HINTS = ("__author__", "matching_heuristics")  # tell Detectron2 how to convert names of other frameworks


def convert_weights(source: str | Path, target: str | Path, overwrite: bool = False) -> int:
    """Write only the weights of a checkpoint to a `.safetensors` or `.pth` file; returns the number of tensors.

    Raises:
        CheckpointError: if the source cannot be read, or would run code.
        ValueError: if the target has another suffix, or exists and is not to be replaced.
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
        raise ValueError(f"{name} has dtype {value.dtype}, which torch does not support") from e
