"""Walk nested configs and other nested plain values."""

from collections.abc import Collection, Iterator, Mapping
from typing import Any


def leaves(node: Any, into_lists: bool = False, path: str = "") -> Iterator[tuple[str, Any]]:
    """Dotted keys, below `path`, and values of nested mappings, in order; an empty mapping is a value.

    `into_lists` enters lists too, with indices as keys; otherwise a list is a value.
    """
    items = _items(node) if into_lists or isinstance(node, Mapping) else ()
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
    return list(enumerate(node)) if isinstance(node, list | tuple) else ()


def as_text(value: Any) -> str:
    """A config value as text; a class or function becomes its full dotted name."""
    return f"{value.__module__}.{value.__qualname__}" if callable(value) else str(value)
