"""Pickles that hold arrays and plain containers alone."""

from __future__ import annotations

import io
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

from .arrays import ADMITTED, without_stand_ins
from .errors import UnsafeCheckpointError


def read_pickle(path: Path) -> Any:
    """The content of a pickle of Python 2 or 3 that needs arrays, numbers, texts and plain containers alone.

    Raises:
        UnsafeCheckpointError: naming anything else that it asks for.
        Exception: of any type if it breaks off or contradicts itself.
    """
    return without_stand_ins(_ArrayUnpickler(path).load())


class _ArrayUnpickler(pickle._Unpickler):
    """The unpickler written in Python: that in C takes memory by the gigabyte when a file says so."""

    def __init__(self, path: Path) -> None:
        super().__init__(io.BytesIO(path.read_bytes()), encoding="latin1")  # as Detectron2
        self._path = path

    def find_class(self, module_name: str, global_name: str) -> _Callable:
        name = f"{module_name}.{global_name}"
        if name not in ADMITTED:
            raise UnsafeCheckpointError(unsafe_message(self._path, name))
        return _Callable(ADMITTED[name])

    def get_extension(self, code: int) -> None:
        raise UnsafeCheckpointError(unsafe_message(self._path, f"copyreg extension {code}"))

    def load_bytearray8(self) -> None:
        """Upstream's takes the memory before it looks whether the file has the bytes."""
        size = int.from_bytes(self.read(8), "little")
        self.append(bytearray(self.read(size)))

    dispatch: ClassVar[dict[int, Callable[..., None]]] = {
        **pickle._Unpickler.dispatch,
        pickle.BYTEARRAY8[0]: load_bytearray8,
    }


class _Callable:
    """Something that a pickle may call. Its BUILD cannot change that, as it could change a function."""

    __slots__ = ("_function",)

    def __init__(self, function: Callable[..., Any]) -> None:
        self._function = function

    def __call__(self, *args: Any) -> Any:
        return self._function(*args)

    def __setstate__(self, state: Any) -> None:
        raise ValueError("it changes what it may only call")


def unsafe_message(path: Path, name: str) -> str:
    """One line for a checkpoint that asks for `name`."""
    return f"checkpoint {path} asks for {name}, which is no part of weights: not loaded"
