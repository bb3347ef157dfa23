"""Files that torch.save writes since PyTorch 1.6: a zip archive with one pickle, and the bytes of each storage.

They are read here and not by torch.load, so that any supported PyTorch reads them safely: before PyTorch 2.10 even
`torch.load(weights_only=True)` has holes (CVE-2025-32434, CVE-2026-24747).
"""

import pickle
import sys
import zipfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from .arrays import ADMITTED, without_stand_ins
from .unpickler import AdmittedUnpickler

_Ints = tuple[int, ...]
_KINDS = {
    **{"Float": torch.float32, "Double": torch.float64, "Half": torch.float16, "BFloat16": torch.bfloat16},
    **{"Bool": torch.bool, "Byte": torch.uint8, "Char": torch.int8, "Short": torch.int16, "Int": torch.int32},
    **{"Long": torch.int64, "ComplexFloat": torch.complex64, "ComplexDouble": torch.complex128},
}


def read_torch_zip(path: Path) -> Any:
    """The content of the file, its tensors on the CPU; tensors that shared memory share it again.

    Raises UnsafeCheckpointError if it asks for anything of Python but arrays, dense tensors and plain containers, and
    an error of any type if it is damaged, which checksums show.
    """
    with zipfile.ZipFile(path) as archive:
        names = {name.partition("/")[2]: name for name in archive.namelist()}
        _check_records(archive, names)
        return without_stand_ins(_TorchUnpickler(path, archive, names).load())


def _check_records(archive: zipfile.ZipFile, names: dict[str, str]) -> None:
    if "constants.pkl" in names:
        raise ValueError("it is a TorchScript program and holds code")
    for record in archive.infolist():
        if record.external_attr & 16 or record.compress_type != zipfile.ZIP_STORED:
            raise zipfile.BadZipFile(f"record {record.filename} is damaged")
    byteorder = archive.read(names["byteorder"]).decode() if "byteorder" in names else "little"
    if byteorder != sys.byteorder:
        raise ValueError(f"it has {byteorder}-endian numbers, and this machine has not")


class _TorchUnpickler(AdmittedUnpickler):
    def __init__(self, path: Path, archive: zipfile.ZipFile, names: dict[str, str]) -> None:
        super().__init__(path, archive.read(names["data.pkl"]), _TORCH_ADMITTED)
        self._archive, self._names = archive, names
        self._storages: dict[str, Tensor] = {}

    def persistent_load(self, pid: Any) -> Tensor:
        """The storage that a tensor is a view of, as a tensor of one dimension."""
        kind, dtype, key, _, count = pid
        if kind != "storage" or not isinstance(dtype, _StorageType):
            raise ValueError(f"it refers to a {kind}, not to the storage of a tensor")
        if key not in self._storages:
            data = bytearray(self._archive.read(self._names[f"data/{key}"]))  # which compares the checksum
            # torch.frombuffer refuses to read nothing
            empty = torch.empty(0, dtype=dtype.dtype)
            self._storages[key] = torch.frombuffer(data, dtype=dtype.dtype, count=count) if count else empty
        return self._storages[key]

    def load_build(self) -> None:
        """Refuse a new state for a tensor: it could exchange its storage."""
        if isinstance(self.stack[-2], Tensor):
            raise ValueError("it changes a tensor")
        super().load_build()

    dispatch: ClassVar[dict[int, Callable[..., None]]] = {**AdmittedUnpickler.dispatch, pickle.BUILD[0]: load_build}


class _StorageType:
    """Stands in for the classes of torch.storage, of which a file needs only the dtype."""

    __slots__ = ("dtype",)

    def __init__(self, dtype: torch.dtype) -> None:
        self.dtype = dtype

    def __setstate__(self, state: Any) -> None:
        raise ValueError("it changes the type of a storage")


def _rebuild_tensor_v2(
    storage: Tensor, offset: int, size: _Ints, stride: _Ints, requires_grad: bool, *_: Any
) -> Tensor:
    view = storage.as_strided(size, stride, offset)  # which refuses what lies outside the storage
    return view.requires_grad_(requires_grad)


def _rebuild_parameter(data: Tensor, requires_grad: bool, *_: Any) -> nn.Parameter:
    return nn.Parameter(data, requires_grad)


# by the module and name that a pickle gives
_TORCH_ADMITTED: dict[str, Any] = {
    **ADMITTED,
    **{f"torch.{kind}Storage": _StorageType(dtype) for kind, dtype in _KINDS.items()},
    **{f"torch.cuda.{kind}Storage": _StorageType(dtype) for kind, dtype in _KINDS.items()},
    **{str(dtype): dtype for dtype in _KINDS.values()},
    "torch._utils._rebuild_tensor_v2": _rebuild_tensor_v2,
    "torch._utils._rebuild_parameter": _rebuild_parameter,
    "torch.Size": torch.Size,
    "torch.device": torch.device,
    "collections.Counter": Counter,  # milestones of torch's schedulers
}
