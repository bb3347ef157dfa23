"""Damage of a checkpoint is noticed, or harmless."""

import contextlib
import pickle
import random
import zipfile

import numpy as np
import pytest
import torch
from test_unsafe_weights import ARRAY, DTYPE
from test_weights import same

from retina_plugin.weights import (
    CheckpointError,
    read_weights,
    write_safetensors,
)

DAMAGED = {
    "nothing": b"",
    "text": b"<html>404</html>",
    "cut off": pickle.dumps({"w": np.ones(100)}, 4)[:-300],
    "persistent id": b"\x80\x02X\x01\x00\x00\x00xQ.",
    "state for a function": b"\x80\x02cnumpy.core.multiarray\nscalar\nN}X\x01\x00\x00\x00a]s\x86b.",
    "new object": b"\x80\x02ccollections\nOrderedDict\n)\x81.",
    "array of objects": pickle.dumps({"w": np.array([None, {}])}, 2),
    "structured array": pickle.dumps({"w": np.zeros(2, [("a", "f4"), ("b", "O")])}, 2),
    "dates": pickle.dumps({"w": np.zeros(2, "M8[s]")}, 2),
    "too few bytes": ARRAY + b"(I1\n(I9\nt" + DTYPE % (b"f4", 0) + b"I00\nS'abcd'\ntb.",
    "negative shape": ARRAY + b"(I1\n(I-1\nI-1\nt" + DTYPE % (b"f4", 0) + b"I00\nS'abcd'\ntb.",
    "huge shape": ARRAY + b"(I1\n(L%dL\nI0\nt" % 2**62 + DTYPE % (b"f4", 0) + b"I00\nS''\ntb.",
    "another codec": b"\x80\x02c_codecs\nencode\nX\x01\x00\x00\x00xX\x03\x00\x00\x00zip\x86R.",
    "endless memo": b"\x80\x02Nr\xff\xff\xff\xffK\x01",
    "endless bytes": b"\x80\x05\x96" + b"\xff" * 7 + b"\x0f.",
    "list in itself": b"\x80\x02]q\x00h\x00a.",
    "no blobs": pickle.dumps({"blobs": [1]}),
    "no dict": pickle.dumps([1]),
    "no names": pickle.dumps({"model": {1: np.ones(1)}, "__author__": "x"}),
    "no arrays": pickle.dumps({"model": {"w": [1.0]}, "__author__": "x"}),
    "no weights": pickle.dumps({"model": {}, "__author__": "x"}),
}


@pytest.mark.parametrize("what", DAMAGED)
def test_other_pickles_are_errors_of_one_line(tmp_path, what):
    (tmp_path / "x.pkl").write_bytes(DAMAGED[what])
    with pytest.raises(CheckpointError) as error:
        read_weights(tmp_path / "x.pkl")
    assert str(tmp_path / "x.pkl") in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("content", [[1], {"model": [1]}, {"model_state": [1]}, {"model_state": {1: 2}}, {"epoch": 3}])
@pytest.mark.parametrize("suffix", [".pth", ".pyth"])
def test_other_torch_files_are_errors_of_one_line(tmp_path, content, suffix):
    torch.save(content, tmp_path / f"x{suffix}")
    with pytest.raises(CheckpointError, match=f"^checkpoint {tmp_path}/x{suffix} .*$"):
        read_weights(tmp_path / f"x{suffix}")


def test_absent_files_and_folders_are_named(tmp_path):
    for path in (tmp_path / "x.pth", tmp_path):
        with pytest.raises(CheckpointError, match=f"{path} does not exist"):
            read_weights(path)


def flips(path, spots):
    """`path` with one bit of it turned, for each of `spots`."""
    good = path.read_bytes()
    for spot in spots:
        bad = bytearray(good)
        bad[spot // 8] ^= 1 << spot % 8
        path.write_bytes(bad)
        yield spot


@pytest.mark.parametrize("suffix", [".pth", ".safetensors"])
def test_a_flipped_bit_is_noticed_or_harmless(tmp_path, suffix):
    """In the directory of records of a .pth, in its content, and anywhere in safetensors."""
    path, first = tmp_path / f"x{suffix}", 0
    if suffix == ".pth":
        torch.save({"model": {"w": torch.randn(50)}, "iteration": 3}, path)
        with zipfile.ZipFile(path) as archive:
            first = archive.start_dir * 8
    else:
        write_safetensors({"w": torch.randn(4)}, path, {"__author__": "me"})
    good, size, noticed = read_weights(path), path.stat().st_size * 8, 0
    spots = [*range(first, size, 5), *random.Random(0).sample(range(first), min(first, 200))]
    for spot in flips(path, spots):
        try:
            assert same(read_weights(path), good), spot
        except CheckpointError as e:
            assert str(path) in str(e)
            noticed += 1
    assert noticed > len(spots) / 4


def test_a_record_marked_as_a_folder_is_noticed(tmp_path):
    """torch.load would take whatever is in memory for its content."""
    torch.save({"w": torch.randn(50)}, tmp_path / "x.pth")
    with zipfile.ZipFile(tmp_path / "x.pth") as archive:
        start = archive.start_dir
    data = bytearray((tmp_path / "x.pth").read_bytes())
    attributes = data.index(b"x/data/0", start) - 8
    data[attributes] |= 16
    (tmp_path / "x.pth").write_bytes(data)
    with pytest.raises(CheckpointError, match="record x/data/0 is damaged"):
        read_weights(tmp_path / "x.pth")


def test_a_flipped_bit_of_a_pickle_is_an_error_or_a_number(tmp_path):
    """Pickles have no checksum: a flip may change a number, but raises nothing else and runs nothing."""
    path = tmp_path / "x.pkl"
    zoo = {"model": {"w": np.ones(3, "f4")}, "__author__": "me", "matching_heuristics": True}
    for protocol in (2, 5):
        path.write_bytes(pickle.dumps(zoo, protocol))
        for _ in flips(path, range(0, path.stat().st_size * 8, 5)):
            with contextlib.suppress(CheckpointError):
                read_weights(path)


@pytest.mark.parametrize("share", [0.0, 0.01, 0.5, 0.99])
@pytest.mark.parametrize("suffix", [".pth", ".pkl", ".safetensors"])
def test_cut_off_files_are_named(tmp_path, suffix, share):
    path = tmp_path / f"x{suffix}"
    write = {
        ".pth": lambda: torch.save({"w": torch.ones(1000)}, path),
        ".pkl": lambda: path.write_bytes(pickle.dumps({"w": np.ones(1000)}, 2)),
        ".safetensors": lambda: write_safetensors({"w": torch.ones(1000)}, path, {}),
    }
    write[suffix]()
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])
    with pytest.raises(CheckpointError, match=f"checkpoint {path} "):
        read_weights(path)
