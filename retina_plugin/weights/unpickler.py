"""Unpicklers that call only functions in a given table; time and memory are bounded by the size of the file."""

import io
import pickle
from collections import Counter, OrderedDict
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from . import arrays, containers
from .arrays import Array, DType
from .errors import unsafe

ADMITTED: dict[str, Callable[..., Any]] = {
    "numpy.dtype": DType,
    "numpy.ndarray": Array,
    "_codecs.encode": arrays.encode,
    "collections.OrderedDict": containers.make_ordered_dict,
    **{f"{python}.set": containers.make_set for python in ("builtins", "__builtin__")},
    **{f"{python}.bytes": arrays.no_bytes for python in ("builtins", "__builtin__")},
    **{f"numpy.{core}.multiarray._reconstruct": arrays.reconstruct for core in ("core", "_core")},
    **{f"numpy.{core}.multiarray.scalar": arrays.scalar for core in ("core", "_core")},
    **{f"numpy.{core}.numeric._frombuffer": arrays.frombuffer for core in ("core", "_core")},
}
"""The functions that every pickle may call, by "module.name"; numpy 2 renamed numpy.core."""

_MOST_INSTRUCTIONS = 500_000  # a tensor needs some 40
_CREATE_OBJECTS = ("OBJ", "NEWOBJ", "NEWOBJ_EX", "NEXT_BUFFER", "READONLY_BUFFER")
_SIZED = (str, bytes, bytearray, list, tuple, dict, set)


def read_pickle(path: Path) -> Any:
    """The content of a pickle of Python 2 or 3 that holds only arrays, numbers, strings and plain containers.

    Raises UnsafeCheckpointError if it refers to anything else, and an error of any type if it is damaged.
    """
    return containers.without_stand_ins(AdmittedUnpickler(path, io.BytesIO(path.read_bytes()), ADMITTED).load())


class AdmittedUnpickler(pickle._Unpickler):
    """A restricted unpickler, based on the one in Python: the one in C allocates gigabytes if a file says so.

    Instructions can change only plain containers, whose keys must be plain values, and new arrays.
    """

    def __init__(self, path: Path, stream: io.BytesIO, admitted: Mapping[str, Any]) -> None:
        """Read a pickle of the file `path`; `admitted` has the objects it may refer to, by "module.name"."""
        super().__init__(stream, encoding="latin1")  # as Detectron2
        self._path, self._admitted = path, admitted
        self._copies = 4 * len(stream.getbuffer()) + 1_000_000  # bytes and items that calls may still copy
        self.dispatch = _Instructions(type(self))

    def find_class(self, module_name: str, global_name: str) -> Any:
        """The admitted object of this name; UnsafeCheckpointError for any other name."""
        name = f"{module_name}.{global_name}"
        if name not in self._admitted:
            raise unsafe(self._path, name)
        value = self._admitted[name]
        return _Callable(value) if callable(value) else value

    def get_extension(self, code: int) -> None:
        """Refuse objects by number in copyreg's registry."""
        raise unsafe(self._path, f"copyreg extension {code}")

    def load_bytearray8(self) -> None:
        """Read only as many bytes as the file has; upstream allocates as many as the file claims."""
        size = int.from_bytes(self.read(8), "little")
        self.append(bytearray(self.read(size)))

    def load_put(self) -> None:
        index = int(self.readline()[:-1])
        containers.check_keys([index])
        self.memo[index] = self.stack[-1]

    def load_reduce(self) -> None:
        """Call a function, if it is an admitted one."""
        arguments, function = self.stack[-1], self.stack[-2]
        if type(function) is not _Callable or type(arguments) is not tuple:
            raise ValueError(f"it calls a {type(function).__name__}")
        self._count_copies(arguments)
        super().load_reduce()

    def load_build(self) -> None:
        """Give a new array or dtype its state, or an OrderedDict attributes such as a state dict's `_metadata`."""
        state, target = self.stack[-1], self.stack[-2]
        if type(target) is OrderedDict:
            if type(state) is not dict or any(type(k) is not str or hasattr(target, k) for k in state):
                raise ValueError("it changes the methods of an OrderedDict")
        elif type(target) not in (Array, DType) or type(state) is not tuple:
            raise ValueError(f"it changes a {type(target).__name__}")
        self._count_copies(state)
        super().load_build()

    def load_append(self) -> None:
        _check_target(self.stack[-2], list)
        super().load_append()

    def load_appends(self) -> None:
        _check_target(self.metastack[-1][-1], list)
        super().load_appends()

    def load_setitem(self) -> None:
        _check_target(self.stack[-3], dict, OrderedDict, Counter)
        containers.check_keys(self.stack[-2:-1])
        super().load_setitem()

    def load_setitems(self) -> None:
        _check_target(self.metastack[-1][-1], dict, OrderedDict, Counter)
        containers.check_keys(self.stack[::2])
        super().load_setitems()

    def load_dict(self) -> None:
        containers.check_keys(self.stack[::2])
        super().load_dict()

    def load_additems(self) -> None:
        _check_target(self.metastack[-1][-1], set)
        containers.check_keys(self.stack)
        super().load_additems()

    def load_frozenset(self) -> None:
        containers.check_keys(self.stack)
        super().load_frozenset()

    def _count_copies(self, parts: Any) -> None:
        """Bound the copies: a pickle can pass one long argument to many calls, and every call copies it."""
        self._copies -= sum(len(part) for part in parts if isinstance(part, _SIZED))
        if self._copies < 0:
            raise ValueError("it copies more than the file holds")


class _Instructions(dict[int, Callable[..., None]]):
    """The methods of an unpickler by instruction; bounds their number, as each may need some 200 bytes."""

    def __init__(self, unpickler: type[AdmittedUnpickler]) -> None:
        upstream = pickle._Unpickler.dispatch.items()
        super().__init__({code: getattr(unpickler, method.__name__) for code, method in upstream})
        for name in _CREATE_OBJECTS:
            del self[getattr(pickle, name)[0]]
        self._left = _MOST_INSTRUCTIONS

    def __getitem__(self, code: int) -> Callable[..., None]:
        self._left -= 1
        if self._left < 0:
            raise ValueError(f"it has over {_MOST_INSTRUCTIONS} instructions, which weights do not need")
        return super().__getitem__(code)

    def __missing__(self, code: int) -> Callable[..., None]:
        raise ValueError(f"it has the instruction {code:#04x}, which no pickle of weights has")


class _Callable:
    """A function that a pickle may call."""

    __slots__ = ("_function",)

    def __init__(self, function: Callable[..., Any]) -> None:
        self._function = function

    def __call__(self, *args: Any) -> Any:
        return self._function(*args)


def _check_target(target: Any, *types: type) -> None:
    if type(target) not in types:
        raise ValueError(f"it adds to a {type(target).__name__}")
