"""The error for data that cannot be used."""

from typing import Any

from ..config.walk import leaves

_OF_FOLDERS = ("images", "image_root")
_KEY_ENDS = {"image-folder-missing": _OF_FOLDERS, "image-missing": _OF_FOLDERS}  # ends of keys, by code


class DataError(ValueError):
    """Data that cannot be used; the message names the file, and `code` the kind of fault, for programs."""

    def __init__(self, message: str = "", code: str = "data-unusable") -> None:
        super().__init__(_without_traceback(message))
        self.code = code


def _without_traceback(message: str) -> str:
    """The message itself, where torch raises an error of a loading process again with its traceback as message."""
    if not message.startswith(f"Caught {DataError.__name__} in DataLoader worker process"):
        return message
    return message.rpartition(f"{DataError.__module__}.{DataError.__name__}: ")[2].strip()


def with_key(message: str, code: str, values: Any) -> str:
    """Put the config key of a path before the message of a DataError that begins with this path: "key=path is ...".

    `code` is the error's code, `values` the nested mappings of the config. The message is unchanged if no key fits.
    """
    strings = [(key, value) for key, value in leaves(values) if isinstance(value, str) and value]
    strings = [(key, value) for key, value in strings if message.startswith((f"{value} ", f"{value},", f"{value}:"))]
    return next((f"{key}=" for key, _ in strings if key.endswith(_KEY_ENDS.get(code, ""))), "") + message
