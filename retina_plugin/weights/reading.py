"""Weights from files; no code in them is run."""

import pickle
import re
from pathlib import Path
from typing import Any

import numpy as np
import torch
from detectron2.checkpoint import DetectionCheckpointer

from ..files import first_line
from .arrays import ADMITTED, without_stand_ins
from .errors import CheckpointError, UnsafeCheckpointError
from .safetensors_file import read_safetensors
from .torch_zip import read_torch_zip
from .unpickler import read_pickle, unsafe_message

_ZIP = b"PK\x03\x04"
_LEGACY = b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."  # first bytes of torch.save's files before 1.6
_LEGACY_IS_SAFE = torch.torch_version.TorchVersion(torch.__version__) >= (2, 10)


def read_weights(path: str | Path) -> dict[str, Any]:
    """The content of a checkpoint in Detectron2's form. No code in the file is run, whoever wrote it.

    Reads `.safetensors`, and whatever torch.save or pickle wrote: the `.pth` of a run, a `.pkl` of the model zoos of
    Detectron2, Detectron and pycls.

    Returns:
        "model" with tensors or arrays by name, and whatever else the file holds. "matching_heuristics" is True
        where Detectron2 has to match names that are not its own.

    Raises:
        UnsafeCheckpointError: if it asks for anything of Python but arrays, tensors and plain containers.
        CheckpointError: if it does not exist, is damaged, holds no weights, or is a torch.save file of before PyTorch
            1.6 and this PyTorch is older than 2.10. Damage to tensors is noticed by checksums in today's `.pth` and in
            write_safetensors' files; other formats have none.
    """
    path = Path(path)
    if not path.is_file():
        raise CheckpointError(f"checkpoint {path} does not exist")
    try:
        content = _read(path)
        _check_model(path, content)
    except CheckpointError:
        raise
    except Exception as e:  # a damaged file raises many types of error
        raise CheckpointError(f"checkpoint {path} cannot be read: {first_line(e)}") from e
    return content


class SafeCheckpointer(DetectionCheckpointer):
    """Overrides the two methods that unpickle files, so that read_weights reads every file."""

    def _load_file(self, filename: str) -> dict[str, Any]:
        if filename.endswith((".pkl", ".pyth")):
            return read_weights(filename)
        return super()._load_file(filename)  # handles ?matching_heuristics=True in an address

    def _torch_load(self, f: str) -> dict[str, Any]:
        return read_weights(f)


def _read(path: Path) -> Any:
    if path.suffix == ".safetensors":
        return read_safetensors(path)
    with path.open("rb") as f:
        beginning = f.read(len(_LEGACY))
    if beginning.startswith(_ZIP):
        return _torch_form(path, read_torch_zip(path))
    if beginning == _LEGACY:
        return _torch_form(path, _read_legacy(path))
    return _zoo_form(read_pickle(path))


def _read_legacy(path: Path) -> Any:
    """A file of torch.save before PyTorch 1.6, which only torch.load can read."""
    if not _LEGACY_IS_SAFE:
        raise CheckpointError(
            f"checkpoint {path} has the format of before PyTorch 1.6, which is safe to read only with PyTorch 2.10 or "
            f"later (CVE-2025-32434, CVE-2026-24747), and this is {torch.__version__}: upgrade PyTorch, or convert "
            "the file to .safetensors where a newer one is installed (tools/convert_weights.py)"
        )
    stand_ins = [(stand_in, name) for name, stand_in in ADMITTED.items()]
    try:
        with torch.serialization.safe_globals(stand_ins):
            content = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as e:
        raise _torch_error(path, str(e)) from e
    return without_stand_ins(content)


def _torch_error(path: Path, message: str) -> CheckpointError:
    """One line of torch's explanation, which advises to load the file anyway."""
    if name := re.search(r"GLOBAL (\S+)", message):
        full = name[1] if "." in name[1] else f"builtins.{name[1]}"
        return UnsafeCheckpointError(unsafe_message(path, full))
    reason = message.partition("WeightsUnpickler error:")[2] or message
    return CheckpointError(f"checkpoint {path} cannot be read: {reason.strip().splitlines()[0]}")


def _torch_form(path: Path, content: Any) -> Any:
    if not isinstance(content, dict) or "model" in content:
        return content
    return _pycls_form(content) if path.suffix == ".pyth" else {"model": content}


def _zoo_form(content: Any) -> Any:
    """Content in Detectron2's form. Files of Detectron's zoo do not say that their names need matching."""
    if not isinstance(content, dict) or {"model", "__author__"} <= set(content):
        return content
    blobs = content.get("blobs", content)
    model = {name: blob for name, blob in blobs.items() if not str(name).endswith("_momentum")}
    return {"model": model, "__author__": "Caffe2", "matching_heuristics": True}


def _pycls_form(content: dict[str, Any]) -> dict[str, Any]:
    model = {k: v for k, v in content.get("model_state", {}).items() if not k.endswith("num_batches_tracked")}
    return {"model": model, "__author__": "pycls", "matching_heuristics": True}


def _check_model(path: Path, content: Any) -> None:
    model = content.get("model") if isinstance(content, dict) else None
    if not isinstance(model, dict) or not model:
        raise CheckpointError(f"checkpoint {path} holds no weights by name")
    for name, value in model.items():
        if not isinstance(name, str) or not isinstance(value, torch.Tensor | np.ndarray):
            raise CheckpointError(f"checkpoint {path} holds no weights: {name!r} is a {type(value).__name__}")
