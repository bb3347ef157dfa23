"""Text of the label files of a user."""

from pathlib import Path

from ...printable import first_line, shown
from ..errors import DataError


def is_hidden(path: Path, folder: Path) -> bool:
    """Whether a file or one of its folders below `folder` is hidden, such as ._a.jpg of macOS, .ipynb_checkpoints."""
    return any(part.startswith(".") for part in path.relative_to(folder).parts)


def read_text(path: Path) -> str:
    """The text of a file in UTF-8, with or without byte order mark; DataError, with its name, if reading fails."""
    try:
        return path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as e:
        raise DataError(f"{shown(path)} cannot be read as text in UTF-8: {first_line(e)}") from e
