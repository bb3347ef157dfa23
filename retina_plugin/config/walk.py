"""Walk nested configs and other nested plain values.

A `functools.partial` counts as a mapping of "func", its arguments by place, and its keywords.
"""

import functools
import re
from collections.abc import Collection, Iterator, Mapping
from typing import Any


def leaves(node: Any, into_lists: bool = False, path: str = "") -> Iterator[tuple[str, Any]]:
    """Dotted keys, below `path`, and values of nested mappings, in order; an empty mapping is a value.

    `into_lists` enters lists too, with indices as keys; otherwise a list is a value.
    """
    items = _items(node) if into_lists or isinstance(node, Mapping | functools.partial) else ()
    if not items:
        yield path, node
    for key, value in items:
        yield from leaves(value, into_lists, f"{path}.{key}".lstrip("."))


def mappings(node: Any, path: str = "") -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Dotted keys and values of all mappings in nested mappings and lists; outer ones come first."""
    if isinstance(node, Mapping):
        yield path, node
    for key, value in _items(node):
        yield from mappings(value, f"{path}.{key}".lstrip("."))


def _items(node: Any) -> Collection[tuple[Any, Any]]:
    if isinstance(node, Mapping):
        return node.items()
    if isinstance(node, functools.partial):
        return [("func", node.func), *enumerate(node.args), *node.keywords.items()]
    return list(enumerate(node)) if isinstance(node, list | tuple) else ()


def as_text(value: Any) -> str:
    """A config value as text; a class or function becomes its full dotted name, and no address in memory is left."""
    if callable(value) and hasattr(value, "__qualname__"):
        return f"{value.__module__}.{value.__qualname__}"
    return re.sub(r" at 0x[0-9a-f]+", "", str(value))
