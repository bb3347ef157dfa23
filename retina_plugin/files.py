"""Files written in full or not at all; folders moved aside; text from files in messages."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
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
    """The first line of an error's message, or its type if it has none; as `shown`, but up to 1000 characters."""
    return shown((str(error).strip() or type(error).__name__).splitlines()[0], 1000)


def shown(text: Any, limit: int = 200) -> str:
    """What a file says, for one line of a message: at most `limit` characters, control characters escaped.

    Strings and paths are shown as they are, other values as a short `repr` that takes no time however they are nested.
    """
    text = str(text) if isinstance(text, str | Path) else _short_repr(text)
    escaped = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text[: limit + 1])
    return escaped if len(escaped) <= limit else f"{escaped[: limit - 3]}..."


def _short_repr(value: Any, depth: int = 3) -> str:
    """Unlike reprlib's, which sorts and hashes what a file nests, and that may take forever."""
    if isinstance(value, str | bytes):
        return repr(value[:100]) + "..." * (len(value) > 100)
    if isinstance(value, list | tuple | dict) and depth:
        inner = [_short_repr(part, depth - 1) for part in islice(value, 5)]
        if isinstance(value, dict):
            inner = [f"{k}: {_short_repr(v, depth - 1)}" for k, v in zip(inner, value.values(), strict=False)]
        inner += ["..."] * (len(value) > 5)
        return ("{%s}" if isinstance(value, dict) else "[%s]") % ", ".join(inner)
    if isinstance(value, float | type(None)) or (isinstance(value, int) and value.bit_length() < 500):
        return repr(value)
    return f"<{type(value).__name__}>"


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
