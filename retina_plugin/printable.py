"""Contents of files and errors as text for one line of a message."""

import contextlib
import difflib
import os
from collections.abc import Iterable, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

_MOST_NEIGHBOURS, _SIMILAR = 1000, 0.75


def first_line(error: BaseException) -> str:
    """First line of an error's message, or its type if the message is empty; as `shown`, but up to 1000 characters."""
    return shown((str(error).strip() or type(error).__name__).splitlines()[0], 1000)


def shown(text: Any, limit: int = 200) -> str:
    """A value for one line of a message: at most `limit` characters, with control characters escaped.

    Strings and paths are shown as they are, other values as a short `repr` that is fast even for deep nesting.
    """
    text = str(text) if isinstance(text, str | Path) else _short_repr(text)
    escaped = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text[: limit + 1])
    return escaped if len(escaped) <= limit else f"{escaped[: limit - 3]}..."


def few(texts: Sequence[str], most: int, separator: str = ", ") -> str:
    """The first `most` texts in one line, and how many more there are; "none" for an empty list."""
    rest = f" and {len(texts) - most} more" if len(texts) > most else ""
    return separator.join(texts[:most]) + rest if texts else "none"


def and_others(number: int) -> str:
    """The suffix " (and N others)" for a message that names the first of several; empty without others."""
    return f" (and {number} other{'s' * (number > 1)})" if number else ""


def nearby(path: str | Path, others: Iterable[str] = ()) -> str:
    """The end of a message about a missing path: the folder that was searched, and a similar path or `others` entry."""
    path = Path(path)
    looked, names = "", []
    with contextlib.suppress(OSError):
        looked = "" if path.is_absolute() else f" (looked in {shown(os.getcwd())})"
        names = sorted(os.listdir(path.parent))[:_MOST_NEIGHBOURS]
    near = [str(path.parent / name) for name in difflib.get_close_matches(path.name, names, 1, _SIMILAR)]
    near += difflib.get_close_matches(str(path), list(others), 1, _SIMILAR)
    return looked + (f"; did you mean {shown(near[0])}?" if near else "")


def _short_repr(value: Any, depth: int = 3) -> str:
    """A short repr. reprlib's sorts and hashes nested content, which may take forever for a hostile file."""
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
