"""Each hostile input of hostile/data.py ends as promised."""

import pytest
from hostile.data import tries
from hostile.tries import run_try


@pytest.mark.parametrize("tried", list(tries()), ids=lambda tried: ascii(f"{tried.group[:12]}: {tried.name}"))
def test_the_promise_holds(tried, tmp_path):
    assert run_try(tried, tmp_path) == ""
