"""Whatever happens to the bytes of a checkpoint, it is read or refused in one line that names it."""

import pickle

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import nn

from retina_plugin.weights import CheckpointError, read_weights, write_safetensors


def write_zoo(path, protocol):
    weights = {"w": np.ones((2, 3), "f4"), "b": np.arange(3)}
    path.write_bytes(pickle.dumps({"model": weights, "__author__": "me", "matching_heuristics": True}, protocol))


def write_run(path, zipped):
    model = nn.Linear(2, 2)
    optimizer = torch.optim.Adam(model.parameters())
    model(torch.ones(1, 2)).sum().backward()
    optimizer.step()
    state = {"model": model.state_dict(), "trainer": {"optimizer": optimizer.state_dict()}, "iteration": 3}
    torch.save(state, path, _use_new_zipfile_serialization=zipped)


WRITE = {
    "x.pth": lambda path: write_run(path, True),
    "old.pth": lambda path: write_run(path, False),
    "x.pkl": lambda path: write_zoo(path, 2),
    "y.pkl": lambda path: write_zoo(path, 4),
    "x.safetensors": lambda path: write_safetensors({"w": torch.ones(2)}, path, {"__author__": "me"}),
}
BYTES = st.tuples(st.floats(0, 1, exclude_max=True), st.integers(0, 255))


@pytest.fixture(scope="module")
def healthy(tmp_path_factory):
    folder = tmp_path_factory.mktemp("healthy")
    for name, write in WRITE.items():
        write(folder / name)
    return folder


@pytest.mark.parametrize("name", WRITE)
@settings(max_examples=60, deadline=5000, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    changed=st.lists(BYTES, max_size=4),
    moved=st.tuples(*[st.floats(0, 1)] * 3),
    moves=st.booleans(),
    end=st.floats(0, 1) | st.just(1.0),
)
def test_changed_moved_and_missing_bytes(name, healthy, tmp_path, changed, moved, moves, end):
    data = bytearray((healthy / name).read_bytes())
    for place, value in changed:
        data[int(place * len(data))] = value
    if moves:
        source, length, target = (int(share * len(data)) for share in moved)
        part = data[source : source + length % 64]
        data[target : target + len(part)] = part
    path = tmp_path / name
    path.write_bytes(data[: int(end * len(data))])
    try:
        read_weights(path)
    except CheckpointError as e:
        assert str(path) in str(e) and str(e).isprintable() and len(str(e)) < 1500
