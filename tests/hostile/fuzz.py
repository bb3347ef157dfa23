"""Random changes of the files that tries begin with: whatever they become, they load or are refused clearly."""

import dataclasses
import random
from collections.abc import Iterator
from pathlib import Path

from hostile.runs import LINKS, WRITES
from hostile.tries import Try

_EXACT = (LINKS, WRITES)  # promises about the very bytes that a try begins with
_LARGEST = 2**20  # bytes; larger files would take long


def mutated(tries: list[Try], seed: int) -> Iterator[Try]:
    """An endless stream of tries with one of their files changed at random, the same for the same seed."""
    changeable = [tried for tried in tries if tried.group not in _EXACT]
    number = 0
    while True:
        rng = random.Random(f"{seed} {number}")
        tried = rng.choice(changeable)
        yield dataclasses.replace(
            tried,
            name=f"{tried.name}, change {seed}/{number}",
            prepare=lambda folder, tried=tried, rng=rng: _prepare(tried, rng, folder),
            refused="",
            may_work=True,
        )
        number += 1


def _prepare(tried: Try, rng: random.Random, folder: Path) -> None:
    tried.prepare(folder)
    files = [p for p in sorted(folder.rglob("*")) if p.is_file() and not p.is_symlink() and p.stat().st_size < _LARGEST]
    if files:
        path = rng.choice(files)
        path.write_bytes(_change(path.read_bytes(), rng))


def _change(data: bytes, rng: random.Random) -> bytes:
    changed = bytearray(data)
    for _ in range(rng.choice((1, 1, 2, 8))):
        start = rng.randrange(len(changed) + 1)
        size = rng.choice((1, 1, 4, 64))
        kind = rng.randrange(5)
        if kind == 0:
            changed[start : start + size] = b""
        elif kind == 1:
            changed[start : start + size] = rng.randbytes(size)
        elif kind == 2:
            changed[start:start] = changed[start : start + size] * rng.choice((1, 2, 50))
        elif kind == 3 and start < len(changed):
            changed[start] ^= 1 << rng.randrange(8)
        else:
            changed[start : start + 4] = rng.choice((b"\0" * 4, b"\xff" * 4, b"\x7f\xff\xff\xff", b"-1"))
    return bytes(changed if rng.randrange(8) else changed[: rng.randrange(len(changed) + 1)])
