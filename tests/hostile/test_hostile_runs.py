"""What is promised of run folders and processes holds for every try."""

from collections import Counter

import pytest
from hostile.runs import tries
from hostile.tries import run_try

TRIES = list(tries())


@pytest.mark.parametrize("tried", TRIES, ids=[f"{t.group[:12]}-{t.name}" for t in TRIES])
def test_the_promise_holds(tried, tmp_path):
    assert run_try(tried, tmp_path) == ""


def test_names_are_unique():
    assert not [name for name, count in Counter((t.group, t.name) for t in TRIES).items() if count > 1]
