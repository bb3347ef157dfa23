"""Checkpoints are not programs: what is refused, and by which name."""

import copyreg
import functools
import importlib
import operator
import os
import pickle
import re
import runpy
import shutil
import subprocess
import zipfile
from collections import defaultdict

import numpy as np
import pytest
import torch
from numpy import f2py
from torch import nn

from retina_plugin.weights import (
    CheckpointError,
    UnsafeCheckpointError,
    read_weights,
)


class Call:
    """Pickles as a call of `function`, which is then given a state if there is one."""

    def __init__(self, function, *args, state=None):
        self.parts = (function, args) if state is None else (function, args, state)

    def __reduce__(self):
        return self.parts


def calls(folder):
    """What a pickle may not call, by the end of its name; those that could leave `was_run`."""
    mark = f"{folder}/was_run"
    return {
        "system": Call(os.system, f"touch {mark}"),
        "eval": Call(eval, f"open('{mark}', 'w')"),
        "exec": Call(exec, f"open('{mark}', 'w')"),
        "open": Call(open, mark, "w"),
        "getattr": Call(getattr, "", "upper"),
        "__import__": Call(__import__, "this"),
        "map": Call(map, os.system, [f"touch {mark}"]),
        "Popen": Call(subprocess.Popen, ["touch", mark]),
        "rmtree": Call(shutil.rmtree, str(folder)),
        "run_path": Call(runpy.run_path, mark),
        "partial": Call(functools.partial, os.system, f"touch {mark}"),
        "attrgetter": Call(operator.attrgetter, "a"),
        "import_module": Call(importlib.import_module, "this"),
        "loads": Call(pickle.loads, b"."),
        "_reconstructor": Call(copyreg._reconstructor, nn.Module, object, None),
        "defaultdict": defaultdict(list),
        "load": Call(torch.load, mark),
        "_load_from_bytes": Call(torch.storage._load_from_bytes, b"."),
        "loadtxt": Call(np.loadtxt, mark),
        "runstring": Call(np.testing.runstring, f"open('{mark}', 'w')", {}),
        "run_main": Call(f2py.run_main, ["-c", mark]),
        "memmap": Call(np.memmap, mark, np.uint8, "w+", 0, (1,)),
    }


def refused(path, name):
    with pytest.raises(UnsafeCheckpointError) as error:
        read_weights(path)
    assert re.fullmatch(rf"checkpoint {path} asks for [\w.]*{re.escape(name)}, .*", str(error.value))
    assert not (path.parent / "was_run").exists()


@pytest.mark.parametrize("name", calls(""))
@pytest.mark.parametrize("form", ["pkl 0", "pkl 2", "pkl 4", "zip", "legacy"])
def test_a_malicious_file_is_refused_by_name(tmp_path, name, form):
    content, path = {"model": {"w": calls(tmp_path)[name]}}, tmp_path / "x.pth"
    if form.startswith("pkl"):
        path.write_bytes(pickle.dumps(content, int(form[-1])))
    else:
        torch.save(content, path, _use_new_zipfile_serialization=form == "zip")
    refused(path, name)


@pytest.mark.parametrize("form", ["argument", "array state", "after arrays"])
def test_nested_calls_are_refused(tmp_path, form):
    evil = calls(tmp_path)["system"]
    content = {
        "argument": Call(np.dtype, evil),
        "array state": Call(np._core.multiarray._reconstruct, np.ndarray, (0,), b"b", state=evil),
        "after arrays": [np.ones(3), {"w": np.zeros(2), "x": (evil,)}],
    }[form]
    (tmp_path / "x.pkl").write_bytes(pickle.dumps(content, 2))
    refused(tmp_path / "x.pkl", "system")


def global_by_name(module, name, call=b"\x8c\x01x\x85R."):
    """A pickle of protocol 4 that calls `name` of `module`; a dotted name would be an attribute's."""
    texts = [pickle.SHORT_BINUNICODE + bytes([len(text)]) + text.encode() for text in (module, name)]
    return b"\x80\x04" + b"".join(texts) + pickle.STACK_GLOBAL + call


@pytest.mark.parametrize(
    "module, name",
    [
        ("numpy", "core.multiarray.fromfile"),
        ("numpy", "dtype.__class__"),
        ("numpy.core", "multiarray.os.system"),
        ("collections", "OrderedDict.__init__.__globals__"),
        ("collections", "_sys.modules"),
        ("_codecs", "lookup"),
        ("retina_plugin.weights.arrays", "ADMITTED"),
        ("retina_plugin.weights.unpickler", "pickle._Unpickler"),
    ],
)
def test_dotted_names_and_neighbours_are_refused(tmp_path, module, name):
    (tmp_path / "x.pkl").write_bytes(global_by_name(module, name))
    refused(tmp_path / "x.pkl", f"{module}.{name}")


def test_extensions_of_copyreg_are_refused_even_where_known(tmp_path, monkeypatch):
    monkeypatch.setitem(copyreg._inverted_registry, 240, ("posix", "system"))
    monkeypatch.setitem(copyreg._extension_cache, 240, os.system)
    code = b"\x80\x02\x82\xf0X\x04\x00\x00\x00true\x85R."
    assert pickle.loads(code) == 0  # it runs elsewhere
    (tmp_path / "x.pkl").write_bytes(code)
    refused(tmp_path / "x.pkl", "copyreg extension 240")


ARRAY = b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(I0\ntS'b'\ntR"
DTYPE = b"cnumpy\ndtype\n(S'%s'\nI0\nI1\ntR(I3\nS'<'\nNNNI-1\nI-1\nI%d\ntb"


def test_an_array_cannot_claim_that_its_numbers_are_objects(tmp_path):
    """numpy's dtype believes flags: its numbers are then taken for addresses, in this and every array."""
    data = b"(dS'w'\n" + ARRAY + b"(I1\n(I1\nt" + DTYPE % (b"f8", 63) + b"I00\nU\x08AAAAAAAAtbs."
    (tmp_path / "x.pkl").write_bytes(data)
    (value,) = read_weights(tmp_path / "x.pkl")["model"].values()
    assert value.dtype == np.dtype("f8") and not value.dtype.hasobject
    assert not np.dtype("f8").hasobject


def test_repeated_containers_take_no_time(tmp_path):
    value = [np.ones(1)]
    for _ in range(60):
        value = [value, value]
    (tmp_path / "x.pkl").write_bytes(pickle.dumps({"model": {"w": value}, "__author__": "x"}))
    with pytest.raises(CheckpointError, match="'w' is a list"):
        read_weights(tmp_path / "x.pkl")


def repacked(path, **records):
    """The zip file of torch at `path` with other content in some of its records."""
    with zipfile.ZipFile(path) as archive:
        content = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in content.items():
            archive.writestr(name, records.get(name.split("/", 1)[1].replace(".", "_"), data))


def test_a_torch_file_with_another_pickle_in_it_is_refused(tmp_path):
    torch.save({"w": torch.ones(2)}, tmp_path / "x.pth")
    repacked(tmp_path / "x.pth", data_pkl=pickle.dumps(calls(tmp_path)["system"], 2))
    refused(tmp_path / "x.pth", "posix.system")
    repacked(tmp_path / "x.pth", data_pkl=pickle.dumps(calls(tmp_path)["system"], 4))
    refused(tmp_path / "x.pth", "posix.system")


STORAGE = b"\x80\x02(X\x07\x00\x00\x00storagectorch\nFloatStorage\nX\x01\x00\x00\x000X\x03\x00\x00\x00cpuK\x02tQ"
TENSOR = b"\x80\x02ctorch._utils\n_rebuild_tensor_v2\n(" + STORAGE[2:] + b"K%c(K%ct(K%ct\x89NtR"


@pytest.mark.parametrize(
    ("tensor", "message"),
    [
        (TENSOR % (0, 3, 1), r"shape \[3\] has 3 elements, and its storage 2"),
        (TENSOR % (1, 2, 1), "out of bounds"),
        (TENSOR % (0, 2, 9), "out of bounds"),
        (TENSOR.replace(b"K\x02tQ", b"K\x09tQ") % (0, 2, 1), "storage 0 has 9 elements, and its record 8 bytes"),
        (TENSOR % (0, 2, 1) + b"(K\x00K\x00K\x00tb", "changes a Tensor"),
        (b"\x80\x02ctorch\nFloatStorage\nN}X\x05\x00\x00\x00dtypeK\x01s\x86b", "changes a _StorageType"),
        (STORAGE.replace(b"storagec", b"storageX\x01\x00\x00\x00xc", 1), "something else than the storage"),
        (STORAGE.replace(b"ctorch\nFloatStorage\n", b"ctorch\nSize\n"), "something else than the storage"),
    ],
)
def test_a_tensor_stays_within_its_storage(tmp_path, tensor, message):
    torch.save({"w": torch.ones(2)}, tmp_path / "x.pth")
    repacked(tmp_path / "x.pth", data_pkl=tensor + b".")
    with pytest.raises(CheckpointError, match=rf"x\.pth cannot be read: .*{message}"):
        read_weights(tmp_path / "x.pth")
    assert torch.ones(2).dtype == torch.float32


def test_a_compressed_record_is_refused(tmp_path):
    """It may claim to hold more than the memory does."""
    torch.save({"w": torch.ones(2)}, tmp_path / "x.pth")
    with zipfile.ZipFile(tmp_path / "x.pth", "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("x/data/1", bytes(1000))
    with pytest.raises(CheckpointError, match="record x/data/1 is damaged"):
        read_weights(tmp_path / "x.pth")


def test_a_torchscript_file_is_refused(tmp_path):
    torch.jit.save(torch.jit.script(nn.ReLU()), tmp_path / "x.pth")
    with pytest.raises(CheckpointError, match=r"x\.pth cannot be read: .*TorchScript"):
        read_weights(tmp_path / "x.pth")
