"""Config files of strangers call nothing, and neither hang nor fill the memory."""

import pytest
from hostile.configs import tries
from hostile.tries import run_try

TRIES = list(tries())


@pytest.mark.parametrize("tried", TRIES, ids=[t.name for t in TRIES])
def test_a_promise_holds(tried, tmp_path):
    assert run_try(tried, tmp_path) == ""
