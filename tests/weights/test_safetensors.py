"""Weights as safetensors."""

import pickle
import struct

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from test_weights import same
from torch import nn

from retina_plugin.weights import (
    CheckpointError,
    read_weights,
    write_safetensors,
)


def test_safetensors_give_back_every_tensor(tmp_path):
    shared = torch.randn(4, 6)
    state = {
        "w": torch.randn(2, 3, 4, 5).to(memory_format=torch.channels_last),
        "a": shared,
        "b": shared,
        "part": shared[1:3, ::2],
        "transposed": shared.T,
        "count": torch.tensor(3),
        "half": torch.ones(2, dtype=torch.bfloat16),
        "mask": torch.tensor([True, False]),
        "none": torch.zeros(0, 4),
        "parameter": nn.Parameter(torch.ones(2)),
    }
    write_safetensors(state, tmp_path / "x.safetensors", {"note": "any"})
    read = read_weights(tmp_path / "x.safetensors")
    assert list(read) == ["model"]
    assert same({k: read["model"][k] for k in state}, state)
    assert list(tmp_path.iterdir()) == [tmp_path / "x.safetensors"]


def test_safetensors_of_others_read(tmp_path):
    save_file({"w": torch.ones(2)}, tmp_path / "x.safetensors", {"format": "pt"})
    assert same(read_weights(tmp_path / "x.safetensors"), {"model": {"w": torch.ones(2)}})
    save_file({"w": torch.ones(2)}, tmp_path / "x.safetensors")
    assert same(read_weights(tmp_path / "x.safetensors"), {"model": {"w": torch.ones(2)}})


HEADER = b'{"w":{"dtype":"F32","shape":[2],"data_offsets":[0,%d]}}'


@pytest.mark.parametrize(
    "content",
    [
        b"",
        struct.pack("<Q", 2**60) + b"{}",
        struct.pack("<Q", 2) + b"[]",
        struct.pack("<Q", 2) + b"{}",
        struct.pack("<Q", len(HEADER % 8)) + HEADER % 8 + b"1234",
        struct.pack("<Q", len(HEADER % 4)) + HEADER % 4 + b"1234",
        pickle.dumps({"w": np.ones(2)}),
    ],
)
def test_broken_headers_of_safetensors_are_named(tmp_path, content):
    (tmp_path / "x.safetensors").write_bytes(content)
    with pytest.raises(CheckpointError, match=r"x\.safetensors "):
        read_weights(tmp_path / "x.safetensors")


@pytest.mark.parametrize("value", [np.ones(2), 3, torch.ones(2).to_sparse(), None])
def test_a_value_that_is_not_a_dense_tensor_is_named(tmp_path, value):
    with pytest.raises(ValueError, match="momentum is not a dense tensor"):
        write_safetensors({"momentum": value}, tmp_path / "x.safetensors", {})


def test_a_write_that_fails_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "x.safetensors"
    write_safetensors({"w": torch.zeros(2)}, path, {})
    before = path.read_bytes()

    def full(tensors, partial, metadata):
        partial.write_bytes(b"half")
        raise OSError(28, "No space left on device", str(partial))

    monkeypatch.setattr("retina_plugin.weights.safetensors_file.save_file", full)
    with pytest.raises(OSError, match="No space left"):
        write_safetensors({"w": torch.ones(2)}, path, {})
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]
    with pytest.raises(OSError, match="nowhere"):
        monkeypatch.undo()
        write_safetensors({"w": torch.ones(2)}, tmp_path / "nowhere" / "x.safetensors", {})
