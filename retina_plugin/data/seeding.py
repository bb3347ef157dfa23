"""Random numbers as a function of what they are for."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch

__all__ = ["seed_generators", "seeded"]


def seed_generators(*key: int) -> None:
    """Set Python's, numpy's and torch's CPU generator by `key`; other keys give independent numbers."""
    words = np.random.SeedSequence(key).generate_state(6)
    np.random.seed(words[:4])
    random.seed(int(words[4]))
    torch.default_generator.manual_seed(int(words[5]))


@contextmanager
def seeded(*key: int) -> Iterator[None]:
    """Generators set by `key` inside, and left as they were found."""
    python, numpy, pytorch = random.getstate(), np.random.get_state(), torch.get_rng_state()
    seed_generators(*key)
    try:
        yield
    finally:
        random.setstate(python)
        np.random.set_state(numpy)
        torch.set_rng_state(pytorch)
