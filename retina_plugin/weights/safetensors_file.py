"""Weights as safetensors, a format that holds only tensors; a checksum, which the format lacks, is added."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from ..files import written_in_full
from .errors import CheckpointError

_CHECKSUM = "sha256_of_tensors"
_LARGEST_HEADER = 16 * 2**20  # bytes, for some 150,000 tensors


def write_safetensors(state_dict: Mapping[str, torch.Tensor], path: str | Path, metadata: Mapping[str, str]) -> None:
    """Write tensors by name, in full or not at all; tensors that share memory are written separately.

    Of the strings in `metadata`, read_weights returns "__author__" and "matching_heuristics". Raises ValueError for a
    value that is not a dense tensor, OSError if the file cannot be written.
    """
    tensors = {name: _own_memory(name, value) for name, value in state_dict.items()}
    signed = {**metadata, _CHECKSUM: _checksum(tensors, metadata)}
    try:
        with written_in_full(Path(path)) as partial:
            save_file(tensors, partial, signed)
    except SafetensorError as e:
        raise OSError(f"cannot write {path}: {e}") from e


def read_safetensors(path: Path) -> dict[str, Any]:
    """The content in the form of `read_weights`; raises an error of any type if the file is not of this format."""
    _check_header(path)
    with safe_open(path, framework="pt") as f:
        metadata = f.metadata() or {}
        tensors = {name: f.get_tensor(name) for name in f.keys()}  # noqa: SIM118
    checksum = metadata.pop(_CHECKSUM, None)
    if checksum is not None and checksum != _checksum(tensors, metadata):
        raise CheckpointError(f"checkpoint {path} is damaged: its checksum does not match")
    hints = {key: metadata[key] for key in ("__author__", "matching_heuristics") if key in metadata}
    if "matching_heuristics" in hints:
        hints["matching_heuristics"] = True  # Detectron2's type
    return {"model": tensors} | hints


def _check_header(path: Path) -> None:
    """Raise ValueError if the header is larger than the file, or larger than weights need."""
    with path.open("rb") as f:
        size = int.from_bytes(f.read(8), "little")
    if size > path.stat().st_size - 8:
        raise ValueError("it is cut off, or not a file of safetensors: its header would be longer than the file")
    if size > _LARGEST_HEADER:
        raise ValueError(f"its header has {size} bytes, which weights do not need")


def _own_memory(name: str, value: Any) -> torch.Tensor:
    if not isinstance(value, torch.Tensor) or value.layout is not torch.strided:
        raise ValueError(f"{name} is not a dense tensor: {type(value).__name__}")
    return value.detach().to("cpu", copy=True, memory_format=torch.contiguous_format)


def _checksum(tensors: Mapping[str, torch.Tensor], metadata: Mapping[str, str]) -> str:
    checksum = hashlib.sha256(json.dumps(dict(metadata), sort_keys=True).encode())
    for name, tensor in sorted(tensors.items()):
        checksum.update(f"{name} {tensor.dtype} {tuple(tensor.shape)} ".encode())
        checksum.update(memoryview(tensor.reshape(-1).view(torch.uint8).numpy()))
    return checksum.hexdigest()
