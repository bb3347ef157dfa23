"""Memory that tensors on a CPU have left is kept for the next ones."""

from __future__ import annotations

import ctypes
import sys

__all__ = ["keep_freed_memory"]

_M_TRIM_THRESHOLD, _M_MMAP_MAX = -1, -4  # of malloc.h
_NEVER = -1


def keep_freed_memory() -> None:
    """Let glibc keep what is freed, for this process and those that it forks.

    By default it maps every block above 32 MB anew and gives it back when it is free, so that the kernel clears the
    pages of a detector's large tensors again in every step. Does nothing where the C library is another.
    """
    if not sys.platform.startswith("linux"):
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_MMAP_MAX, 0)
        mallopt(_M_TRIM_THRESHOLD, _NEVER)
