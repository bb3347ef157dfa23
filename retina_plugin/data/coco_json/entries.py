"""The lists of a COCO json, checked entry by entry; messages name the first bad one and count the others."""

import logging
from collections.abc import Callable, Collection, Mapping, Sequence
from itertools import compress
from typing import Any

from detectron2.utils.logger import log_first_n

from ...printable import and_others, shown
from ..errors import DataError

_HUGE, _INT64 = 1e300, 2**63


def is_integer(value: Any) -> bool:
    """Whether a value of a json is an integer of 64 bits; true and 1.0 are not."""
    return type(value) is int and -_INT64 <= value < _INT64


def is_finite(value: Any) -> bool:
    """Whether a value of a json is a finite number; true is not, nor is 1e999."""
    return type(value) in (int, float) and -_HUGE < value < _HUGE


class Entries:
    """One list of a COCO json: its images, annotations or categories."""

    def __init__(self, path: str, kind: str, entries: Sequence[Any]) -> None:
        """`kind` names one entry in messages. DataError if an entry is not a mapping."""
        self.path, self.kind, self.entries = path, kind, entries
        self.file_names: Mapping[Any, str] = {}  # by image_id: if they are known, messages end with that of the image
        if strange := [e for e in entries if not isinstance(e, dict)]:
            raise DataError(
                f"{path} is not in COCO's format: every {kind} must be a mapping, and "
                f"{len(strange)} of {len(entries)} are not, such as {shown(strange[0])}",
                "json-not-coco",
            )

    def column(self, key: str) -> list[Any]:
        """The value of every entry; DataError if one has no such key."""
        try:
            return [e[key] for e in self.entries]
        except KeyError:
            name = self._name([key not in e for e in self.entries])
            message = f"{name} is an entry without {key!r}, which COCO's format requires"
            raise DataError(message, self._code(f"without-{key}")) from None

    def optional(self, key: str, default: Any) -> list[Any]:
        """The value of every entry, or the default."""
        return [e[key] if key in e else default for e in self.entries]

    def refuse(self, bad: Collection[Any], key: str, problem: str) -> None:
        """Raise DataError if `bad` is true for an entry; {} in `problem` stands for the entry's value of `key`."""
        if message := self._say(bad, key, problem):
            raise DataError(message, self._code(f"bad-{key}"))

    def warn(self, bad: Collection[Any], key: str, problem: str) -> None:
        """Log what `refuse` would raise, as a warning, once in this process."""
        if message := self._say(bad, key, problem):
            log_first_n(logging.WARNING, message, name=__name__, key="message")

    def check(self, key: str, valid: Callable[[Any], bool], problem: str) -> list[Any]:
        """The value of every entry; DataError if one is not valid."""
        values = self.column(key)
        self.refuse([not valid(v) for v in values], key, problem)
        return values

    def unique_ids(self, strings: bool = False) -> list[Any]:
        """The ids of all entries: integers, or with `strings` either all integers or all strings.

        DataError if an id has another type or appears twice.
        """
        if not (ids := self.column("id")):
            return ids
        if not strings or type(ids[0]) is not str:
            if {*map(type, ids)} != {int} or min(ids) < -_INT64 or max(ids) >= _INT64:
                self.refuse([not is_integer(i) for i in ids], "id", "has id {}, which is not an integer of 64 bits")
        else:
            self.refuse([type(i) is not str for i in ids], "id", "has id {}, but the id of others is a string")
        if len(set(ids)) < len(ids):
            seen: set[Any] = set()
            twice = next(i for i in ids if i in seen or seen.add(i))
            raise DataError(f"{self.path} declares {self.kind} id {shown(twice)} twice", self._code("id-twice"))
        return ids

    def _code(self, fault: str) -> str:
        return f"{self.kind}-{fault}".replace("_", "-")

    def _say(self, bad: Collection[Any], key: str, problem: str) -> str:
        marked = list(compress(self.entries, bad))
        if not marked:
            return ""
        file_name = self.file_names.get(marked[0].get("image_id"))
        where = f" (image {shown(file_name)})" if file_name else ""
        value = marked[0].get(key)
        is_text = isinstance(value, str) and key.endswith("id")  # "3" would look like the integer
        return self._name(bad) + " " + problem.replace("{}", shown(repr(value) if is_text else value)) + where

    def _name(self, bad: Collection[Any]) -> str:
        """The first marked entry and the number of the others."""
        first, *others = compress(self.entries, bad)
        return f"{self.path}: {self.kind} {shown(first.get('id', '?'))}{and_others(len(others))}"
