"""Read weights from files without running code in them."""

from pathlib import Path
from typing import Any

import numpy as np
import torch

from ..printable import shown
from ..reading import without_garbage_collection
from .errors import CheckpointError, unreadable
from .safetensors_file import read_safetensors
from .torch_legacy import LEGACY_BEGINNING, read_torch_legacy
from .torch_zip import read_torch_zip
from .unpickler import read_pickle

_ZIP = b"PK\x03\x04"
_LONGEST_NAME = 500
_DTYPES = frozenset(
    [f"{kind}{bits}" for kind in ("int", "uint") for bits in (8, 16, 32, 64)]
    + ["bool", "bfloat16", "float16", "float32", "float64", "complex64", "complex128"]
)


def read_weights(path: str | Path) -> dict[str, Any]:
    """The content of a checkpoint in Detectron2's form. No code in the file is run, whoever wrote it.

    Reads `.safetensors`, and whatever torch.save or pickle wrote: the `.pth` of a run, a `.pkl` of the model zoos of
    Detectron2, Detectron and pycls. Time and memory are bounded by the size of the file.

    Returns:
        "model" with tensors or arrays of numbers by name, and whatever else the file holds. "matching_heuristics" is
        True where Detectron2 has to match names that are not its own.

    Raises:
        UnsafeCheckpointError: if it refers to Python objects other than arrays, tensors and plain containers.
        CheckpointError: if it does not exist, is damaged, or holds no weights. Checksums show damage to
            tensors in current `.pth` files and those of `write_safetensors`; other formats have none.
    """
    path = Path(path)
    content = read_content(path, as_detectron2=True)
    _check_model(path, content)
    _check_hints(path, content)
    return content


def read_content(path: str | Path, as_detectron2: bool = False) -> Any:
    """Whatever a file holds, weights or not; `as_detectron2` brings it into Detectron2's form. Runs no code in it.

    Raises:
        UnsafeCheckpointError, CheckpointError: as in `read_weights`, but the file need not hold weights.
    """
    path = Path(path)
    try:
        if not path.is_file():
            raise CheckpointError(f"checkpoint {shown(path, 500)} does not exist, or is not a file")
        with without_garbage_collection():
            content, form = _read(path)
        return form(path, content) if as_detectron2 else content
    except CheckpointError:
        raise
    except Exception as e:  # a damaged file raises many types of error
        raise unreadable(path, e) from e


def _read(path: Path) -> tuple[Any, Any]:
    """What the file holds, and the function that brings it into Detectron2's form."""
    if path.suffix == ".safetensors":
        return read_safetensors(path), _torch_form  # it has the form already
    with path.open("rb") as f:
        beginning = f.read(len(LEGACY_BEGINNING))
    if beginning.startswith(_ZIP):
        return read_torch_zip(path), _torch_form
    if beginning == LEGACY_BEGINNING:
        return read_torch_legacy(path), _torch_form
    return read_pickle(path), _zoo_form


def _torch_form(path: Path, content: Any) -> Any:
    if not isinstance(content, dict) or "model" in content:
        return content
    return _pycls_form(content) if path.suffix == ".pyth" else {"model": content}


def _zoo_form(path: Path, content: Any) -> Any:
    """Content in Detectron2's form. Files of Detectron's zoo do not say that their names need matching."""
    if not isinstance(content, dict) or {"model", "__author__"} <= set(content):
        return content
    if isinstance(content.get("model"), dict):
        return content  # not of a zoo
    blobs = content.get("blobs", content)
    if isinstance(blobs, dict):
        blobs = {name: blob for name, blob in blobs.items() if not str(name).endswith("_momentum")}
    return {"model": blobs, "__author__": "Caffe2", "matching_heuristics": True}


def _pycls_form(content: dict[str, Any]) -> dict[str, Any]:
    model = content.get("model_state")
    if isinstance(model, dict):
        model = {k: v for k, v in model.items() if not str(k).endswith("num_batches_tracked")}
    return {"model": model, "__author__": "pycls", "matching_heuristics": True}


def _check_model(path: Path, content: Any) -> None:
    model = content.get("model") if isinstance(content, dict) else None
    if not isinstance(model, dict) or not model:
        raise _unusable(path, "holds no weights by name")
    for name, value in model.items():
        if not isinstance(name, str) or not isinstance(value, torch.Tensor | np.ndarray):
            kind = f"'{shown(name)}' is a {type(value).__name__}"
            raise _unusable(path, f"holds no weights: {kind}; save tensors by name, alone or as its 'model'")
        if not name.isprintable() or len(name) > _LONGEST_NAME:
            raise _unusable(path, f"holds no weights: '{shown(name)}' is not the name of a tensor")
        if str(value.dtype).removeprefix("torch.") not in _DTYPES:
            raise _unusable(path, f"holds no weights: {shown(name)} has dtype {value.dtype}: convert it to float32")


def _check_hints(path: Path, content: dict[str, Any]) -> None:
    """Check the types of what tells Detectron2 how to convert names, and of what PyTorch adds to a state dict."""
    if not isinstance(content.get("__author__"), str | None):
        raise _unusable(path, "is damaged: __author__ is not a string")
    if not isinstance(content.get("matching_heuristics"), bool | int | None):
        raise _unusable(path, "is damaged: matching_heuristics is neither True nor False")
    versions = getattr(content["model"], "_metadata", {})
    if not isinstance(versions, dict) or not all(map(_is_version, versions.items())):
        raise _unusable(path, "is damaged: it has versions of modules that are not numbers")


def _is_version(entry: tuple[Any, Any]) -> bool:
    name, metadata = entry
    return (
        isinstance(name, str)
        and isinstance(metadata, dict)
        and all(isinstance(key, str) for key in metadata)
        and isinstance(metadata.get("version"), int | None)
    )


def _unusable(path: Path, why: str) -> CheckpointError:
    return CheckpointError(f"checkpoint {shown(path, 500)} {why}")
