"""No checkpoint of a stranger hangs, crashes, fills memory or ends in a traceback."""

import pytest
from hostile import weights
from hostile.tries import run_try

TRIES = list(weights.tries())


def test_every_try_has_a_name_of_its_own():
    assert len({(tried.group, tried.name) for tried in TRIES}) == len(TRIES) >= 120


@pytest.mark.parametrize("tried", TRIES, ids=lambda tried: tried.name)
def test_a_hostile_checkpoint_ends_in_one_clear_line(tried, tmp_path):
    assert run_try(tried, tmp_path) == ""
