"""Files written in full or not at all; folders moved aside."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any


@contextmanager
def written_in_full(path: Path) -> Iterator[Path]:
    """Yield a path to write to; if the context ends without an error, the file is flushed and replaces `path`.

    Raises:
        OSError: naming `path`, if it cannot be written; an earlier file is kept.
    """
    partial = path.with_name(path.name + ".partial")
    try:
        yield partial
        _sync(partial)
        partial.replace(path)
        if os.name == "posix":
            _sync(path.parent)  # a new name is safe only when its folder is flushed too
    except (OSError, RuntimeError) as e:  # torch reports a full disk as a RuntimeError
        raise OSError(f"cannot write {path}; an earlier file there is unchanged: {first_line(e)}") from e
    finally:
        partial.unlink(missing_ok=True)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def first_line(error: BaseException) -> str:
    """The first line of an error's message, or its type if it has none."""
    return (str(error) or type(error).__name__).splitlines()[0]


def write_json(path: Path, content: Any) -> None:
    """Write a json file in full, or raise OSError; creates its folder if necessary."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with written_in_full(path) as partial:
        partial.write_text(json.dumps(content, indent=1))


def move_aside(folder: Path) -> Path:
    """Rename a folder to the first unused name of `folder`.1, `folder`.2 and so on; returns the new path."""
    number = 1
    while (target := folder.with_name(f"{folder.name}.{number}")).exists():
        number += 1
    return folder.rename(target)
