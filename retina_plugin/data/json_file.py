"""Read a json file strictly: refuse what parsers read differently, or what the standard does not allow."""

import json
from pathlib import Path
from typing import Any, NoReturn

from ..printable import first_line, nearby, shown
from ..reading import without_garbage_collection
from .errors import DataError

_INVALID = "json-invalid"


def read_json(path: str | Path, hint: str = "") -> Any:
    """The content of a json file in UTF-8.

    Raises:
        DataError: naming the file, with `hint` if it is missing; also for NaN, Infinity and repeated keys.
    """
    name = shown(path)
    try:
        if not Path(path).is_file():
            kind = "is a folder, not a json file" if Path(path).is_dir() else "is not a regular file"
            if not Path(path).exists():
                kind = f"does not exist{f': {hint}' if hint else nearby(path)}"
            raise DataError(f"{name} {kind}", "json-missing")
        text = Path(path).read_text(encoding="utf-8")
        if not text.strip():
            raise DataError(f"{name} is empty", _INVALID)
        with without_garbage_collection():
            return json.loads(text, object_pairs_hook=_unique_keys, parse_constant=_refuse_constant)
    except UnicodeDecodeError as e:
        raise DataError(f"{name} is not in UTF-8: {first_line(e)}", _INVALID) from e
    except json.JSONDecodeError as e:
        raise DataError(f"{name} is not json: {first_line(e)}", _INVALID) from e
    except RecursionError as e:
        raise DataError(f"{name} is nested too deeply", _INVALID) from e
    except DataError:
        raise
    except (ValueError, OSError) as e:  # from the hooks below, for integers of thousands of digits, or from the disk
        raise DataError(f"{name} cannot be read: {first_line(e)}", _INVALID) from e


def _unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    entry = dict(pairs)
    if len(entry) != len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        raise ValueError(f"the key {shown(twice)!r} appears twice in one entry")
    return entry


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"it has the value {name}, which json does not have")
