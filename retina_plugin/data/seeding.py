"""Seed random number generators with keys that say what the numbers are for."""

import random
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch


def seed_generators(*key: int) -> None:
    """Seed Python's, numpy's and torch's CPU generators with `key`; different keys give independent numbers.

    Zeros at the end of a key of up to four numbers do not count: (7, 3) and (7, 3, 0) are the same key.
    """
    words = np.random.SeedSequence(key).generate_state(6)
    np.random.seed(words[:4])
    random.seed(int(words[4]))
    torch.default_generator.manual_seed(int(words[5]))


@contextmanager
def seeded(*key: int) -> Iterator[None]:
    """Seed the generators with `key` inside the context, and restore their states after it."""
    python, numpy, pytorch = random.getstate(), np.random.get_state(), torch.get_rng_state()
    seed_generators(*key)
    try:
        yield
    finally:
        random.setstate(python)
        np.random.set_state(numpy)
        torch.set_rng_state(pytorch)
