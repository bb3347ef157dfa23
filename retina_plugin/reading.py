"""Read small files that may be damaged, and large files in less time."""

import gc
import json
import logging
import re
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from .printable import first_line

logger = logging.getLogger(__name__)
Content = TypeVar("Content")
_MOST_BYTES = 2**24  # size limit of a small file


def read_json(path: Path, default: Content, valid: Callable[[Any], bool] = lambda content: True) -> Content:
    """The content of a json file; `default` if the file does not exist.

    A file counts as missing, with a warning that names it, if it cannot be read, or if its content has another type
    than `default` or is not `valid`.
    """
    try:
        content = json.loads(read_small(path))
    except FileNotFoundError:
        return default
    except (OSError, ValueError, RecursionError) as e:
        reason = first_line(e)
    else:
        if isinstance(content, type(default)) and valid(content):
            return content
        reason = "its content is not what this program writes there"
    logger.warning("%s is ignored because it cannot be used: %s", path, reason)
    return default


def read_name(path: Path, valid: re.Pattern[str]) -> str:
    """The name that a small file holds; empty if the file does not exist.

    A file counts as missing, with a warning that names it, if it cannot be read or holds no `valid` name.
    """
    try:
        name = read_small(path).strip()
        if not valid.fullmatch(name):
            raise ValueError("it holds no valid name")
    except FileNotFoundError:
        return ""
    except (OSError, ValueError) as e:
        logger.warning("%s is ignored because it cannot be read: %s", path, first_line(e))
        return ""
    return name


def read_small(path: Path) -> str:
    """The text of a UTF-8 file of at most 16 MiB; raises OSError, or ValueError if it is not UTF-8."""
    status = path.stat()
    if not stat.S_ISREG(status.st_mode):
        raise OSError("it is not a file")
    if status.st_size > _MOST_BYTES:
        raise OSError(f"it has {status.st_size} bytes")
    return path.read_text(encoding="utf-8")


@contextmanager
def without_garbage_collection() -> Iterator[None]:
    """Pause garbage collection while a large file is read: repeated scans of its new objects would double the time."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()
