"""Tensors in the pickles of torch.save.

They are read here and not by torch.load, so that any supported PyTorch reads them safely: before PyTorch 2.10 even
`torch.load(weights_only=True)` has holes (CVE-2025-32434, CVE-2026-24747), and it allocates whatever a file claims.
"""

from typing import Any

import torch
from torch import Tensor, nn

from ..printable import shown
from .arrays import num_elements
from .containers import make_counter
from .unpickler import ADMITTED, AdmittedUnpickler

_KINDS = {
    **{"Float": torch.float32, "Double": torch.float64, "Half": torch.float16, "BFloat16": torch.bfloat16},
    **{"Bool": torch.bool, "Byte": torch.uint8, "Char": torch.int8, "Short": torch.int16, "Int": torch.int32},
    **{"Long": torch.int64, "ComplexFloat": torch.complex64, "ComplexDouble": torch.complex128},
}


class TorchUnpickler(AdmittedUnpickler):
    """Rebuilds dense tensors, on the CPU; tensors that shared memory share it again."""

    def persistent_load(self, pid: Any) -> Tensor:
        """The storage of a tensor, as a tensor of one dimension."""
        kind, storage_type, key, _, count, *view = pid if type(pid) is tuple and len(pid) in (5, 6) else [None] * 5
        if kind != "storage" or type(storage_type) is not _StorageType or type(key) is not str:
            raise ValueError("it refers to something else than the storage of a tensor")
        if type(count) is not int or count < 0:
            raise ValueError(f"a storage has {shown(count)} elements")
        storage = self.storage(key, storage_type.dtype, count)
        if storage.dtype != storage_type.dtype or len(storage) != count:
            raise ValueError(f"storage {shown(key)} has {len(storage)} elements of {storage.dtype}, not {shown(count)}")
        return storage if view in ([], [None]) else self.view(storage, view[0])

    def storage(self, key: str, dtype: torch.dtype, count: int) -> Tensor:
        """The storage with that key; a subclass knows where it is."""
        raise NotImplementedError

    def view(self, storage: Tensor, description: Any) -> Tensor:
        """A part of a storage, which only files before PyTorch 1.6 have."""
        raise ValueError("it refers to a part of a storage")


class _StorageType:
    """Stands in for the storage classes of torch; a file needs only their dtype."""

    __slots__ = ("dtype",)

    def __init__(self, dtype: torch.dtype) -> None:
        self.dtype = dtype


def _rebuild_tensor(storage: Tensor, offset: int, size: tuple[int, ...], stride: tuple[int, ...]) -> Tensor:
    num_elements(stride)  # only to check it
    if (needed := num_elements(size)) > storage.numel():
        raise ValueError(
            f"a tensor of shape {shown(size)} has {shown(needed)} elements, and its storage {storage.numel()}. If it "
            "is an expanded tensor, save its clone()"
        )
    return storage.as_strided(size, stride, offset)  # refuses a view that reaches outside the storage


def _rebuild_tensor_v2(
    storage: Tensor, offset: int, size: tuple[int, ...], stride: tuple[int, ...], requires_grad: bool, *_: Any
) -> Tensor:
    return _rebuild_tensor(storage, offset, size, stride).requires_grad_(requires_grad)


def _rebuild_parameter(data: Tensor, requires_grad: bool, *_: Any) -> nn.Parameter:
    return nn.Parameter(data, requires_grad)


def _make_device(*parts: Any) -> torch.device:
    if len(parts) > 2 or any(type(part) not in (str, int) for part in parts):
        raise ValueError("a device is not a string and a number")
    return torch.device(*parts)


def _make_size(sizes: tuple[int, ...] = ()) -> torch.Size:
    num_elements(sizes)
    return torch.Size(sizes)


TORCH_ADMITTED: dict[str, Any] = {
    **ADMITTED,
    **{f"torch.{kind}Storage": _StorageType(dtype) for kind, dtype in _KINDS.items()},
    **{f"torch.cuda.{kind}Storage": _StorageType(dtype) for kind, dtype in _KINDS.items()},
    **{str(dtype): dtype for dtype in _KINDS.values()},
    "torch._utils._rebuild_tensor": _rebuild_tensor,
    "torch._utils._rebuild_tensor_v2": _rebuild_tensor_v2,
    "torch._utils._rebuild_parameter": _rebuild_parameter,
    "torch.Size": _make_size,
    "torch.device": _make_device,
    "collections.Counter": make_counter,
}
"""The functions and objects that pickles of torch.save may refer to, by "module.name"."""
