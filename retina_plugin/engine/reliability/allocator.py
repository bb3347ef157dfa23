"""Keep the memory of freed CPU tensors for the next ones."""

import ctypes
import sys

_M_TRIM_THRESHOLD, _M_MMAP_MAX = -1, -4  # of malloc.h
_NEVER = -1


def keep_freed_memory() -> None:
    """Let glibc keep freed memory, in this process and its forks.

    By default glibc maps every block above 32 MB separately and returns it when freed, so the kernel clears the pages
    of a detector's large tensors in every step. Does nothing with another C library.
    """
    linux = sys.platform.startswith("linux")
    if linux and (mallopt := getattr(ctypes.CDLL(None), "mallopt", None)):
        mallopt(_M_MMAP_MAX, 0)
        mallopt(_M_TRIM_THRESHOLD, _NEVER)
