"""Weights from files, none of which is run."""

from __future__ import annotations

import pickle
import re
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import torch

from .arrays import ADMITTED, without_stand_ins
from .errors import CheckpointError, UnsafeCheckpointError
from .safetensors_file import read_safetensors
from .unpickler import read_pickle, unsafe_message

_ZIP = b"PK\x03\x04"
_LEGACY = b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."  # how torch.save began its files before 1.6


def read_weights(path: str | Path) -> dict[str, Any]:
    """The content of a checkpoint in Detectron2's form. Nothing of the file is run.

    Args:
        path: of a `.safetensors` file, or of one that torch.save or pickle wrote, whatever its name is: a `.pth` of a
            run, a `.pkl` of a model zoo of Detectron2, Detectron or pycls.

    Returns:
        "model" with tensors or arrays by name, and what else the file holds. "matching_heuristics" is True
        where Detectron2 has to match names that are not its own.

    Raises:
        UnsafeCheckpointError: if it asks for anything of Python but arrays, tensors and plain containers.
        CheckpointError: if it is not there, damaged, or holds no weights. Damage to tensors is noticed by checksums
            in today's `.pth` and in write_safetensors' files; other files have none.
    """
    path = Path(path)
    if not path.is_file():
        raise CheckpointError(f"checkpoint {path} does not exist")
    try:
        content = _read(path)
        _check_model(path, content)
    except CheckpointError:
        raise
    except Exception as e:  # each format has many types of error for a damaged file
        reason = (str(e) or type(e).__name__).splitlines()[0]
        raise CheckpointError(f"checkpoint {path} cannot be read: {reason}") from e
    return content


def _read(path: Path) -> Any:
    if path.suffix == ".safetensors":
        return read_safetensors(path)
    if _starts_with(path, _ZIP, _LEGACY):
        return _read_torch(path)
    return _zoo_form(read_pickle(path))


def _starts_with(path: Path, *beginnings: bytes) -> bool:
    with path.open("rb") as f:
        return f.read(max(map(len, beginnings))).startswith(beginnings)


def _read_torch(path: Path) -> Any:
    stand_ins = [(stand_in, name) for name, stand_in in ADMITTED.items()]
    if _starts_with(path, _ZIP):
        _check_records(path)
    try:
        with torch.serialization.safe_globals(stand_ins):
            content = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as e:
        raise _torch_error(path, str(e)) from e
    content = without_stand_ins(content)
    if not isinstance(content, dict) or "model" in content:
        return content
    return _pycls_form(content) if path.suffix == ".pyth" else {"model": content}


def _check_records(path: Path) -> None:
    """torch.load looks at no checksum, and for a record marked as a folder gives memory as it finds it."""
    with zipfile.ZipFile(path) as archive:
        folders = [record.filename for record in archive.infolist() if record.external_attr & 16]
        if damaged := [*folders, archive.testzip()][0]:
            raise zipfile.BadZipFile(f"record {damaged} is damaged")


def _torch_error(path: Path, message: str) -> CheckpointError:
    """What torch's explanation, which proposes to load the file all the same, comes down to."""
    if name := re.search(r"GLOBAL (\S+)", message):
        full = name[1] if "." in name[1] else f"builtins.{name[1]}"
        return UnsafeCheckpointError(unsafe_message(path, full))
    reason = message.partition("WeightsUnpickler error:")[2] or message
    return CheckpointError(f"checkpoint {path} cannot be read: {reason.strip().splitlines()[0]}")


def _zoo_form(content: Any) -> Any:
    """Detectron2's zoo says how its names are to be read; Detectron's does not."""
    if not isinstance(content, dict) or {"model", "__author__"} <= set(content):
        return content
    blobs = content.get("blobs", content)
    model = {name: blob for name, blob in blobs.items() if not str(name).endswith("_momentum")}
    return {"model": model, "__author__": "Caffe2", "matching_heuristics": True}


def _pycls_form(content: dict[str, Any]) -> dict[str, Any]:
    state = content.get("model_state", {})
    model = {k: v for k, v in state.items() if not k.endswith("num_batches_tracked")}
    return {"model": model, "__author__": "pycls", "matching_heuristics": True}


def _check_model(path: Path, content: Any) -> None:
    model = content.get("model") if isinstance(content, dict) else None
    if not isinstance(model, dict) or not model:
        raise CheckpointError(f"checkpoint {path} holds no weights by name")
    for name, value in model.items():
        if not isinstance(name, str) or not isinstance(value, torch.Tensor | np.ndarray):
            kind = type(value).__name__
            raise CheckpointError(f"checkpoint {path} holds no weights: {name!r} is a {kind}")
