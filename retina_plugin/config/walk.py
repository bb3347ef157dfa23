"""Walk nested configs and other nested plain values."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

__all__ = ["as_text", "leaves", "mappings"]


def leaves(node: Any, into_lists: bool = False, path: str = "") -> Iterator[tuple[str, Any]]:
    """The values of nested mappings by dotted key, in order; an empty mapping is a value.

    Args:
        node: a mapping, or a value.
        into_lists: whether to enter lists too, with indices as keys; otherwise a list is a value.
        path: key of `node` itself.
    """
    if isinstance(node, Mapping) and node:
        items = node.items()
    elif into_lists and isinstance(node, list | tuple) and node:
        items = enumerate(node)
    else:
        yield path, node
        return
    for key, value in items:
        yield from leaves(value, into_lists, f"{path}.{key}".lstrip("."))


def mappings(node: Any, path: str = "") -> Iterator[tuple[str, Mapping[str, Any]]]:
    """All mappings in nested mappings and lists by dotted key, each before those inside it."""
    if isinstance(node, Mapping):
        yield path, node
        items = node.items()
    elif isinstance(node, list | tuple):
        items = enumerate(node)
    else:
        return
    for key, value in items:
        yield from mappings(value, f"{path}.{key}".lstrip("."))


def as_text(value: Any) -> str:
    """A config value as text; a class or function by its full name."""
    return f"{value.__module__}.{value.__qualname__}" if callable(value) else str(value)
