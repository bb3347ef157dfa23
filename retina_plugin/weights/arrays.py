"""NumPy's arrays and scalars in checkpoints.

numpy's own functions trust the pickle: through `dtype.__setstate__` it can declare any bytes to be addresses of
objects, and so overwrite memory. The functions here replace them under the same names and check their arguments.
"""

from __future__ import annotations

import math
import re
from typing import Any

import numpy as np

from ..printable import shown

_CODES = r"b1|[iu][1248]|f[248]|c(8|16)|[SU]\d{1,7}"
_MOST_DIMENSIONS = 32


class DType:
    """Stands in for numpy.dtype: booleans, numbers and strings only."""

    def __init__(self, code: str, align: bool = False, copy: bool = False) -> None:
        if not isinstance(code, str) or not re.fullmatch(_CODES, code):
            raise ValueError(f"weights cannot have dtype {shown(code)}")
        self.dtype = np.dtype(code)

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        _, order, subdtype, names, fields, *_ = state
        if any(part is not None for part in (subdtype, names, fields)):
            raise ValueError("weights cannot be structured arrays")
        if order not in ("<", ">", "=", "|"):
            raise ValueError(f"a dtype has byte order {shown(order)}")
        self.dtype = self.dtype.newbyteorder(order)


class Array(np.ndarray):
    """Stands in for numpy.ndarray while a pickle is read; it is empty until its state is set."""

    def __new__(cls, *_: Any) -> Array:
        return super().__new__(cls, (0,), np.uint8)

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        _, shape, dtype, fortran, data = state
        data, size = as_bytes(data), num_elements(shape)
        if not isinstance(dtype, DType) or size * dtype.dtype.itemsize != len(data) or size > max(len(data), 1):
            raise ValueError(f"an array of shape {shown(shape)} has {len(data)} bytes")
        super().__setstate__((1, shape, dtype.dtype, type(fortran) in (bool, int) and bool(fortran), data))

    def native(self) -> np.ndarray:
        """The array as a numpy.ndarray in this machine's byte order."""
        return np.asarray(self, dtype=self.dtype.newbyteorder("="))


def num_elements(shape: tuple[int, ...]) -> int:
    """The number of elements of a shape in a file; raises ValueError if the shape is not a tuple of up to 32 sizes."""
    is_tuple = isinstance(shape, tuple) and len(shape) <= _MOST_DIMENSIONS
    if not is_tuple or not all(type(n) is int and 0 <= n < 2**63 for n in shape):
        raise ValueError(f"an array or tensor has shape {shown(shape)}")
    return math.prod(shape)


def as_bytes(data: str | bytes | bytearray) -> bytes:
    """Bytes from a pickle; those of Python 2 arrive as str, because it has one type for strings and bytes."""
    if isinstance(data, bytes):
        return data
    return data.encode("latin1") if isinstance(data, str) else bytes(memoryview(data))


def reconstruct(subtype: Any, shape: Any, typecode: Any) -> Array:
    """Replaces numpy.core.multiarray._reconstruct, which pickles call for an array; its state follows."""
    return Array()


def frombuffer(data: bytes | bytearray, dtype: DType, shape: tuple[int, ...], order: str) -> Array:
    """Replaces numpy.core.numeric._frombuffer, which pickles of protocol 5 call for an array."""
    array = Array()
    array.__setstate__((1, shape, dtype, order == "F", data))
    return array


def scalar(dtype: DType, data: str | bytes) -> np.generic:
    """Replaces numpy.core.multiarray.scalar, which pickles call for a number."""
    return frombuffer(data, dtype, (), "C").native()[()]


def encode(text: str, encoding: str = "latin1") -> bytes:
    """Replaces _codecs.encode, which pickle protocols without a type for bytes call to make them."""
    if encoding != "latin1":
        raise ValueError(f"bytes are encoded as {shown(encoding)}")
    return text.encode("latin1")


def no_bytes() -> bytes:
    """Replaces `bytes()`, which protocols before 3 call for empty bytes."""
    return b""
