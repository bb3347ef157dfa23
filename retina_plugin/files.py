"""Files that are complete or not there."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["written_in_full"]


@contextmanager
def written_in_full(path: Path) -> Iterator[Path]:
    """A name beside `path` to write to; `path` is replaced by it when the context ends well, its bytes on disk.

    Raises:
        OSError: naming `path`, if it cannot be written; what was there before is still there.
    """
    partial = path.with_name(path.name + ".partial")
    try:
        yield partial
        _sync(partial)
        partial.replace(path)
        if os.name == "posix":
            _sync(path.parent)  # a new name is safe only when its folder is on the disk too
    except (OSError, RuntimeError) as e:  # torch reports a full disk as a RuntimeError
        raise OSError(f"cannot write {path}, which is as it was before: {_first_line(e)}") from e
    finally:
        partial.unlink(missing_ok=True)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _first_line(error: BaseException) -> str:
    return (str(error) or type(error).__name__).splitlines()[0]
