"""Files of torch.save before PyTorch 1.6: several pickles, one after the other, then the bytes of each storage."""

import io
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..printable import shown
from .arrays import num_elements
from .containers import without_stand_ins
from .torch_tensors import TORCH_ADMITTED, TorchUnpickler

LEGACY_BEGINNING = b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."  # the pickled magic number
_PROTOCOL = 1001


def read_torch_legacy(path: Path) -> Any:
    """The content of the file, as in `read_torch_zip`; this format has no checksums."""
    stream = io.BytesIO(path.read_bytes())
    stream.seek(len(LEGACY_BEGINNING))
    protocol, system = (_LegacyUnpickler(path, stream).load() for _ in range(2))
    if protocol != _PROTOCOL or system.get("little_endian") is not True:
        raise ValueError(f"it has protocol {shown(protocol)}, or numbers in another byte order")
    unpickler = _LegacyUnpickler(path, stream)
    content = unpickler.load()
    _fill(unpickler.storages, _LegacyUnpickler(path, stream).load(), stream)
    return without_stand_ins(content)


class _LegacyUnpickler(TorchUnpickler):
    def __init__(self, path: Path, stream: io.BytesIO) -> None:
        super().__init__(path, stream, TORCH_ADMITTED)
        self.storages: dict[str, Tensor] = {}
        self._unclaimed = len(stream.getbuffer())

    def storage(self, key: str, dtype: torch.dtype, count: int) -> Tensor:
        """Memory for the storage with that key; its content follows later in the file."""
        if key not in self.storages:
            self._unclaimed -= count * dtype.itemsize
            if self._unclaimed < 0:
                raise ValueError(f"storage {shown(key)} is larger than the file")
            self.storages[key] = torch.empty(count, dtype=dtype)
        return self.storages[key]

    def view(self, storage: Tensor, description: Any) -> Tensor:
        _, offset, count = description
        num_elements((offset, count))
        if offset + count > len(storage):
            raise ValueError("a part of a storage lies outside it")
        return storage[offset : offset + count]


def _fill(storages: dict[str, Tensor], keys: list[str], stream: io.BytesIO) -> None:
    """Read the content of the storages, in the order of `keys`."""
    left = dict(storages)
    for key in keys:
        if (storage := left.pop(key, None)) is None:
            raise ValueError(f"no tensor has the storage {shown(key)}")
        count = int.from_bytes(stream.read(8), "little")
        target = memoryview(storage.view(torch.uint8).numpy())
        if count != len(storage) or stream.readinto(target) != len(target):
            raise ValueError(f"storage {shown(key)} has {len(target)} bytes, and the file has fewer")
    if left:
        raise ValueError(f"the file lacks storage {shown(next(iter(left)))}")
