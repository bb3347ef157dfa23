"""Every fourth try of every promise, and a few random changes; tools/fuzz.py makes all tries and more changes."""

import importlib
import itertools
from collections import Counter, defaultdict

import pytest
from hostile.fuzz import mutated
from hostile.tries import run_try

TRIES = {
    part: list(importlib.import_module(f"hostile.{part}").tries()) for part in ("configs", "weights", "data", "runs")
}
EVERY = 4
CHANGES = 20


def sample():
    by_promise = defaultdict(list)
    for tried in itertools.chain(*TRIES.values()):
        by_promise[tried.group].append(tried)
    return [tried for group in by_promise.values() for tried in group[::EVERY]]


def test_every_try_has_a_name_of_its_own():
    counts = Counter((tried.group, tried.name) for tried in itertools.chain(*TRIES.values()))
    assert len(counts) == counts.total() >= 400 and len({group for group, _ in counts}) >= 12


@pytest.mark.parametrize("tried", sample(), ids=lambda tried: ascii(f"{tried.group}: {tried.name}"))
def test_a_promise_holds(tried, tmp_path):
    assert run_try(tried, tmp_path) == ""


@pytest.mark.parametrize("part", TRIES)
def test_random_changes_are_refused_or_harmless(part, tmp_path):
    for i, tried in enumerate(itertools.islice(mutated(TRIES[part], seed=0), CHANGES)):
        folder = tmp_path / str(i)
        folder.mkdir()
        assert run_try(tried, folder) == "", tried.name
