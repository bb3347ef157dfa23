"""Unpicklers that call nothing but what a table of names admits."""

import io
import pickle
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, ClassVar

from .arrays import ADMITTED, without_stand_ins
from .errors import UnsafeCheckpointError


def read_pickle(path: Path) -> Any:
    """The content of a pickle of Python 2 or 3 that holds only arrays, numbers, strings and plain containers.

    Raises UnsafeCheckpointError if it asks for anything else, and an error of any type if it is damaged.
    """
    return without_stand_ins(AdmittedUnpickler(path, path.read_bytes(), ADMITTED).load())


class AdmittedUnpickler(pickle._Unpickler):
    """The unpickler written in Python: the one written in C allocates gigabytes when a file says so."""

    def __init__(self, path: Path, data: bytes, admitted: Mapping[str, Any]) -> None:
        """Read the pickle `data` of the file `path`; `admitted` has what it may ask for, by "module.name"."""
        super().__init__(io.BytesIO(data), encoding="latin1")  # as Detectron2
        self._path, self._admitted = path, admitted

    def find_class(self, module_name: str, global_name: str) -> Any:
        name = f"{module_name}.{global_name}"
        if name not in self._admitted:
            raise UnsafeCheckpointError(unsafe_message(self._path, name))
        value = self._admitted[name]
        return _Callable(value) if callable(value) else value

    def get_extension(self, code: int) -> None:
        raise UnsafeCheckpointError(unsafe_message(self._path, f"copyreg extension {code}"))

    def load_bytearray8(self) -> None:
        """Read only as many bytes as the file has; upstream allocates as many as the file claims."""
        size = int.from_bytes(self.read(8), "little")
        self.append(bytearray(self.read(size)))

    dispatch: ClassVar[dict[int, Callable[..., None]]] = {
        **pickle._Unpickler.dispatch,
        pickle.BYTEARRAY8[0]: load_bytearray8,
    }


class _Callable:
    """A function that a pickle may call but not change, as its BUILD instruction could change a plain function."""

    __slots__ = ("_function",)

    def __init__(self, function: Callable[..., Any]) -> None:
        self._function = function

    def __call__(self, *args: Any) -> Any:
        return self._function(*args)

    def __setstate__(self, state: Any) -> None:
        raise ValueError("it changes a function, which it may only call")


def unsafe_message(path: Path, name: str) -> str:
    """One line for a checkpoint that asks for `name`."""
    return f"checkpoint {path} asks for {name}, which weights do not need: not loaded"
