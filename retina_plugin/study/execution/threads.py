"""How many CPU threads a run has."""

from __future__ import annotations

import os

from ...config import ConfigError

__all__ = ["count_cores", "threads_per_run"]


def count_cores() -> int:
    """The cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def threads_per_run(share: int) -> int:
    """OMP_NUM_THREADS if that is set, otherwise `share`, and 1 at least.

    Raises:
        ConfigError: if OMP_NUM_THREADS is not a whole number of 1 or more.
    """
    value = os.environ.get("OMP_NUM_THREADS", "").partition(",")[0].strip()
    if not value:
        return max(1, share)
    if not value.isdecimal() or int(value) < 1:
        raise ConfigError(
            f"the environment variable OMP_NUM_THREADS={value!r} must be a whole number of 1 or more: set or unset it"
        )
    return int(value)
