"""Convert weights between file formats."""

from pathlib import Path

import torch

from ..engine.reliability.checkpoint_state import is_averaged
from ..files import written_in_full
from ..weights import CheckpointError, read_weights, write_safetensors

_MOST_COPIES = 20
_HINTS = ("__author__", "matching_heuristics")  # keys that tell Detectron2 how to convert names of other frameworks


def convert_weights(source: str | Path, target: str | Path, overwrite: bool = False) -> int:
    """Write only the weights of a checkpoint to a `.safetensors` or `.pth` file; returns the number of tensors.

    Of a run with `train.ema_decay` these are the averaged weights, with which it is evaluated and predicts.

    Raises:
        CheckpointError: if the source cannot be read, or would run code.
        ValueError: if the target has another suffix, or exists without `overwrite`.
        OSError: if it cannot be written.
    """
    target = Path(target)
    if target.suffix not in (".safetensors", ".pth"):
        raise ValueError(f"{target} must end in .safetensors or .pth")
    if target.exists() and not overwrite:
        raise ValueError(f"{target} exists: name another file, or give --overwrite")
    content = read_weights(source)
    weights = content["ema"]["model"] if is_averaged(content) else content["model"]
    model = {name: torch.as_tensor(value) for name, value in weights.items()}
    hints = {key: content[key] for key in _HINTS if content.get(key)}
    if target.suffix == ".safetensors":
        _check_size(source, model)
    target.parent.mkdir(parents=True, exist_ok=True)
    if target.suffix == ".safetensors":
        write_safetensors(model, target, {key: str(value) for key, value in hints.items()})
    else:
        with written_in_full(target) as partial:
            torch.save({"model": model} | hints, partial)
    return len(model)


def _check_size(source: str | Path, model: dict[str, torch.Tensor]) -> None:
    """Raise CheckpointError for a small file with many tensors that share memory: safetensors would copy each."""
    needed, held = sum(value.numel() * value.element_size() for value in model.values()), Path(source).stat().st_size
    if needed > _MOST_COPIES * held:
        raise CheckpointError(
            f"checkpoint {source} has {held} bytes, and its tensors, which share memory, would need {needed} as "
            "safetensors: convert it to .pth"
        )
