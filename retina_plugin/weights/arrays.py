"""What a pickle in a checkpoint may build besides Python's plain values: numpy's arrays and scalars.

numpy's own functions trust the pickle: `dtype.__setstate__` lets it declare any bytes to be addresses of objects, and
so lets it overwrite memory. The functions here replace them under the same names and check their arguments.
"""

from __future__ import annotations

import math
import re
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

import numpy as np


class DType:
    """Stands in for numpy.dtype: booleans, numbers and strings only."""

    def __init__(self, code: str, align: bool = False, copy: bool = False) -> None:
        if not isinstance(code, str) or not re.fullmatch(r"[biufcSU]\d+", code):
            raise ValueError(f"weights cannot have dtype {code!r}")
        self.dtype = np.dtype(code)

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        _, order, subdtype, names, fields, *_ = state
        if (subdtype, names, fields) != (None, None, None):
            raise ValueError("weights cannot be structured arrays")
        self.dtype = self.dtype.newbyteorder(order)


class Array(np.ndarray):
    """Stands in for numpy.ndarray while a pickle is read: empty until it gets its state."""

    def __new__(cls, *_: Any) -> Array:
        return super().__new__(cls, (0,), np.uint8)

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        _, shape, dtype, fortran, data = state
        data = as_bytes(data)
        if not all(type(n) is int and n >= 0 for n in shape):
            raise ValueError(f"an array has shape {shape}")
        if not isinstance(dtype, DType) or math.prod(shape) * dtype.dtype.itemsize != len(data):
            raise ValueError(f"an array of shape {shape} has {len(data)} bytes")
        super().__setstate__((1, tuple(shape), dtype.dtype, bool(fortran), data))


def as_bytes(data: str | bytes | bytearray) -> bytes:
    """Bytes from a pickle of Python 2, which has one type for strings and bytes, or of Python 3."""
    return data.encode("latin1") if isinstance(data, str) else bytes(memoryview(data))


def _reconstruct(subtype: type, shape: tuple[int, ...], typecode: bytes) -> Array:
    return Array()


def _frombuffer(data: bytes, dtype: DType, shape: tuple[int, ...], order: str) -> Array:
    array = Array()
    array.__setstate__((1, shape, dtype, order == "F", data))
    return array


def _scalar(dtype: DType, data: str | bytes) -> np.generic:
    return without_stand_ins(_frombuffer(data, dtype, (), "C"))[()]


def _encode(text: str, encoding: str = "latin1") -> bytes:
    """Bytes, as pickle protocols without a type for them write them."""
    if encoding != "latin1":
        raise ValueError(f"bytes are encoded as {encoding}")
    return text.encode("latin1")


def _no_bytes() -> bytes:
    return b""


# by the module and name in a pickle; numpy 2 renamed numpy.core
ADMITTED: dict[str, Callable[..., Any]] = {
    "numpy.dtype": DType,
    "numpy.ndarray": Array,
    "_codecs.encode": _encode,
    "collections.OrderedDict": OrderedDict,
    **{f"{python}.set": set for python in ("builtins", "__builtin__")},
    **{f"{python}.bytes": _no_bytes for python in ("builtins", "__builtin__")},
    **{f"numpy.{core}.multiarray._reconstruct": _reconstruct for core in ("core", "_core")},
    **{f"numpy.{core}.multiarray.scalar": _scalar for core in ("core", "_core")},
    **{f"numpy.{core}.numeric._frombuffer": _frombuffer for core in ("core", "_core")},
}


def without_stand_ins(value: Any, done: dict[int, Any] | None = None) -> Any:
    """`value` with arrays of numpy's own class and this machine's byte order; lists and dicts are changed in place."""
    done = {} if done is None else done
    if id(value) in done:
        return done[id(value)][1]
    done[id(value)] = value, value  # keeps the value alive, so that no other one gets its id
    result = value
    if isinstance(value, Array):
        result = np.asarray(value, dtype=value.dtype.newbyteorder("="))
    elif isinstance(value, dict):
        for key, item in value.items():
            value[key] = without_stand_ins(item, done)  # update() of a Counter would add
    elif isinstance(value, list):
        value[:] = [without_stand_ins(item, done) for item in value]
    elif type(value) is tuple:
        result = tuple(without_stand_ins(item, done) for item in value)
    done[id(value)] = value, result
    return result
