"""Checkpoints from strangers: hostile, damaged and inconsistent ones."""

from collections.abc import Iterator

from . import weights_archives, weights_pickles, weights_states, weights_tensors
from .tries import Try


def tries() -> Iterator[Try]:
    """All tries with checkpoints."""
    yield from weights_pickles.tries()
    yield from weights_archives.tries()
    yield from weights_tensors.tries()
    yield from weights_states.tries()
