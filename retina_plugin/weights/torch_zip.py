"""Files of torch.save since PyTorch 1.6: a zip archive with one pickle, and the bytes of each storage."""

import io
import sys
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..printable import shown
from .containers import without_stand_ins
from .torch_tensors import TORCH_ADMITTED, TorchUnpickler
from .zip_records import ZipRecords


def read_torch_zip(path: Path) -> Any:
    """The content of the file, its tensors on the CPU; tensors that shared memory share it again.

    Raises UnsafeCheckpointError if it refers to Python objects other than arrays, dense tensors and plain containers,
    and an error of any type if it is damaged; checksums show damage.
    """
    with path.open("rb") as f:
        records = ZipRecords(f)
        if "constants.pkl" in records:
            raise ValueError("it is a TorchScript program and holds code")
        records.check()
        byteorder = bytes(records.read("byteorder")) if "byteorder" in records else b"little"
        if byteorder != sys.byteorder.encode():
            raise ValueError(f"its numbers have byte order {shown(byteorder)}, and this machine's {sys.byteorder}")
        return without_stand_ins(_ZipUnpickler(path, records).load())


class _ZipUnpickler(TorchUnpickler):
    def __init__(self, path: Path, records: ZipRecords) -> None:
        super().__init__(path, io.BytesIO(records.read("data.pkl")), TORCH_ADMITTED)
        self._records = records
        self._storages: dict[str, Tensor] = {}

    def storage(self, key: str, dtype: torch.dtype, count: int) -> Tensor:
        if key not in self._storages:
            name = f"data/{key}"
            if count != self._records.size(name) // dtype.itemsize:
                size = self._records.size(name)
                raise ValueError(f"storage {shown(key)} has {shown(count)} elements, and its record {size} bytes")
            data = torch.empty(self._records.size(name), dtype=torch.uint8)
            self._records.read_into(name, memoryview(data.numpy()))
            self._storages[key] = data[: count * dtype.itemsize].view(dtype)
        return self._storages[key]
