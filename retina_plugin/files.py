"""Files written in full or not at all, the folder of generated files, folders moved aside."""

import errno
import json
import os
import re
import secrets
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from .printable import first_line

_LEFTOVER = re.compile(r"\.[0-9a-f]{12}\.partial")


@contextmanager
def written_in_full(path: Path) -> Iterator[Path]:
    """Yield a path to write to; if the context ends without an error, the file is flushed and replaces `path`.

    The yielded file is new and has an unpredictable name, so that no symbolic link leads elsewhere.

    Raises:
        OSError: naming `path`, if it cannot be written; an earlier file is kept.
    """
    partial = path.with_name(f".{secrets.token_hex(6)}.partial")
    try:
        os.close(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o666))
        yield partial
        _sync(partial)
        partial.replace(path)
    except (OSError, RuntimeError) as e:  # torch reports a full disk as a RuntimeError
        raise OSError(f"cannot write {path}; an earlier file there is unchanged: {_reason(e)}") from e
    finally:
        with suppress(OSError):
            partial.unlink()
    _sync_folder(path.parent)


def remove_leftovers(folder: Path) -> None:
    """Remove the temporary files that killed processes left in a folder; no other process may write into it."""
    for path in folder.glob(".*.partial"):
        if _LEFTOVER.fullmatch(path.name) and not path.is_dir():
            path.unlink(missing_ok=True)


def open_to_append(path: Path) -> int:
    """A descriptor for reading and appending; raises OSError naming `path` if it is a link or anything but a file."""
    check_regular(path)
    with naming(path):
        return os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW, 0o666)


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """Replace an OSError in this context by one which says that `path` cannot be written."""
    try:
        yield
    except OSError as e:
        raise OSError(f"cannot write {path}: {_reason(e)}") from e


def check_regular(path: Path) -> None:
    """Raise OSError if `path` exists and is a symbolic link, a folder or a device, which a run must not write to."""
    try:
        mode = path.lstat().st_mode
    except OSError:
        return  # opening it will report the reason
    if not stat.S_ISREG(mode):
        kinds = {stat.S_IFLNK: "a symbolic link", stat.S_IFDIR: "a folder"}
        raise OSError(f"{path} is {kinds.get(stat.S_IFMT(mode), 'a device')} in place of a file: remove it")


def write_json(path: Path, content: Any) -> None:
    """Write a json file in full, or raise OSError; creates its folder if necessary."""
    write_text(path, json.dumps(content, indent=1))


@contextmanager
def json_list(path: Path) -> Iterator[Callable[[Any], None]]:
    """Yield a function that appends a value to a json list on the disk, which is never held in memory as a whole.

    When the context ends, even by an error, the file is completed and replaces `path`; the error is raised afterwards.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    before, error = "[\n ", None
    with written_in_full(path) as partial, partial.open("w", encoding="utf-8") as file:

        def append(value: Any) -> None:
            nonlocal before
            file.write(before + json.dumps(value))
            before = ",\n "

        try:
            yield append
        except BaseException as e:
            error = e
        file.write("[]" if before.startswith("[") else "\n]")
    if error is not None:
        raise error


def write_text(path: Path, text: str) -> None:
    """Write a file in UTF-8 in full, or raise OSError; creates its folder if necessary."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with written_in_full(path) as partial:
        partial.write_text(text, encoding="utf-8")


def cache_folder(root: str | None = None) -> Path:
    """The folder of generated files: `root`, or $RETINA_PLUGIN_CACHE, or ~/.cache/retina_plugin."""
    return Path(root or os.environ.get("RETINA_PLUGIN_CACHE", "~/.cache/retina_plugin")).expanduser()


def move_aside(folder: Path) -> Path:
    """Rename a folder to the first unused name of `folder`.1, `folder`.2 and so on; returns the new path."""
    number = 1
    while os.path.lexists(target := folder.with_name(f"{folder.name}.{number}")):  # also a broken link
        number += 1
    return folder.rename(target)


def _reason(error: BaseException) -> str:
    """Why a file could not be written: the system's reason, also where torch hides it behind another error."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, OSError) and cause.errno:
            return os.strerror(cause.errno)
        cause = cause.__cause__ or cause.__context__
    return first_line(error)


def _sync_folder(folder: Path) -> None:
    """Flush a folder, so that a new name in it survives a crash; ignored where the file system does not support it."""
    try:
        _sync(folder)
    except OSError as e:
        if e.errno not in (errno.EINVAL, errno.EBADF, errno.ENOTSUP, errno.ENOSYS, errno.EACCES):
            raise OSError(f"cannot flush the folder {folder}: {_reason(e)}") from e


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
