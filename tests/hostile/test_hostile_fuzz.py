"""A few of the random changes that tools/fuzz.py makes for as long as it is asked to."""

import itertools

import pytest
from hostile import configs
from hostile.fuzz import mutated
from hostile.tries import run_try

NUMBER = 25


@pytest.mark.parametrize("part", [configs], ids=lambda part: part.__name__)
def test_random_changes_are_refused_or_harmless(part, tmp_path):
    for i, tried in enumerate(itertools.islice(mutated(list(part.tries()), seed=0), NUMBER)):
        folder = tmp_path / str(i)
        folder.mkdir()
        assert run_try(tried, folder) == "", tried.name
