"""Containers in checkpoints: their keys, how a pickle may build them, and how deep they may be nested."""

from collections import Counter, OrderedDict
from collections.abc import Iterable
from typing import Any

from ..printable import shown
from .arrays import Array, DType

_KEYS = frozenset((str, int, float, bool, bytes, type(None)))
_LARGEST_KEY = 2**60  # larger integers can be chosen so that their hashes are all equal
_DEEPEST = 100
_VISITED = (dict, list, tuple, Array, DType)


def check_keys(keys: Iterable[Any]) -> None:
    """Raise ValueError for a key of a dict, or member of a set, that is no plain value.

    Hashing nested tuples takes time exponential in their depth, and hashing very deep ones crashes Python.
    """
    for key in keys:
        if type(key) not in _KEYS:
            raise ValueError(f"a key or a member of a set is of type {type(key).__name__}")
        if type(key) is int and abs(key) >= _LARGEST_KEY:
            raise ValueError(f"a key or a member of a set is the integer {shown(key)}")


def make_ordered_dict(pairs: list[list[Any]] | tuple[()] = ()) -> OrderedDict[Any, Any]:
    """An OrderedDict from a list of pairs, as Python 2 writes it, or empty: Python 3 adds the items later."""
    if any(type(pair) not in (list, tuple) for pair in pairs):
        raise ValueError("an OrderedDict is not made of pairs")
    check_keys(key for key, _ in pairs)
    return OrderedDict(pairs)


def make_set(members: list[Any] | tuple[()] = ()) -> set[Any]:
    """A set as protocols before 4 write it, made from a list."""
    check_keys(members)
    return set(members)


def make_counter(counts: dict[Any, int] | tuple[()] = ()) -> Counter[Any]:
    """A Counter, such as the milestones of torch's schedulers, made from a dict."""
    if type(counts) is not dict and counts != ():
        raise ValueError(f"a Counter is made of a {type(counts).__name__}")
    return Counter(counts)


def without_stand_ins(content: Any) -> Any:
    """`content` with numpy's arrays and dtypes instead of stand-ins, in native byte order; changes it in place.

    Raises ValueError if containers are nested more than 100 deep, or contain themselves.
    """
    return _Walk().plain(content)[0]


class _Walk:
    """Visits every container once, however often others contain it."""

    def __init__(self) -> None:
        # by id: the value, kept alive so that its id stays unique; what it becomes; its depth
        self._done: dict[int, tuple[Any, Any, int]] = {}

    def plain(self, value: Any, level: int = 0) -> tuple[Any, int]:
        """What `value` becomes, and how deep it is nested."""
        if not isinstance(value, _VISITED):
            return value, 0
        if id(value) not in self._done and level < _DEEPEST:
            self._done[id(value)] = value, value, _DEEPEST
            self._done[id(value)] = value, *self._visit(value, level + 1)
        _, result, depth = self._done.get(id(value), (value, value, _DEEPEST))
        if depth >= _DEEPEST:
            raise ValueError(f"its containers are nested over {_DEEPEST} deep, or contain themselves")
        return result, depth

    def _visit(self, value: Any, level: int) -> tuple[Any, int]:
        if isinstance(value, Array):
            return value.native(), 0
        if isinstance(value, DType):
            return value.dtype, 0
        parts = list(value.values() if isinstance(value, dict) else value)
        if isinstance(value, OrderedDict):
            parts.append(vars(value))
        plain, deepest = [], -1
        for part in parts:
            result, depth = self.plain(part, level)
            plain.append(result)
            deepest = max(deepest, depth)
        if isinstance(value, dict):
            for key, result in zip(value, plain, strict=False):  # the last may be the attributes
                value[key] = result  # update() of a Counter would add
        elif isinstance(value, list):
            value[:] = plain
        return tuple(plain) if type(value) is tuple else value, deepest + 1
