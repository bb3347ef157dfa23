"""Checkpoints are not programs: what reads, what is refused and by which name, and that damage is noticed."""

import contextlib
import copyreg
import functools
import importlib
import operator
import os
import pickle
import random
import re
import runpy
import shutil
import struct
import subprocess
import zipfile
from collections import OrderedDict, defaultdict

import numpy as np
import pytest
import torch
from detectron2.checkpoint import DetectionCheckpointer
from detectron2.engine import SimpleTrainer, hooks
from fvcore.common.param_scheduler import MultiStepParamScheduler
from numpy import f2py
from safetensors.torch import save_file
from torch import nn

from retina_plugin.weights import (
    CheckpointError,
    SafeCheckpointer,
    UnsafeCheckpointError,
    read_weights,
    write_safetensors,
)


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 4, 3)
        self.bn = nn.BatchNorm2d(4)

    def forward(self, images):
        return {"loss": self.bn(self.conv1(images)).square().mean()}


def batches():
    while True:
        yield torch.randn(2, 3, 8, 8)


def same(a, b):
    """Equal in type, structure and every bit."""
    if isinstance(a, torch.Tensor):
        return a.dtype == b.dtype and torch.equal(a, b)
    if isinstance(a, np.ndarray | np.generic):
        return type(a) is type(b) and a.dtype == b.dtype and np.array_equal(a, b)
    if isinstance(a, dict):
        return list(a) == list(b) and all(same(a[key], b[key]) for key in a)
    if isinstance(a, list | tuple):
        return len(a) == len(b) and all(map(same, a, b))
    return type(a) is type(b) and a == b


@pytest.fixture(scope="module")
def detectron2_pth(tmp_path_factory):
    """What Detectron2's own trainer leaves behind: weights, optimizer, schedule, iteration."""
    folder, model = tmp_path_factory.mktemp("detectron2"), Net()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    trainer = SimpleTrainer(model, batches(), optimizer)
    checkpointer = DetectionCheckpointer(model, str(folder), trainer=trainer)
    schedule = MultiStepParamScheduler([1, 0.1], milestones=[2, 4])
    best = hooks.BestCheckpointer(2, checkpointer, "bbox/AP")
    trainer.register_hooks(
        [
            hooks.LRScheduler(scheduler=schedule),
            hooks.EvalHook(2, lambda: {"bbox/AP": np.float64(3)}),
            best,
            hooks.PeriodicCheckpointer(checkpointer, 2),
        ]
    )
    trainer.train(0, 4)
    return folder / "model_0000003.pth"


# What reads


def test_a_checkpoint_of_detectron2s_trainer_reads_whole(detectron2_pth):
    content = read_weights(detectron2_pth)
    assert same(content, torch.load(detectron2_pth, weights_only=False))
    assert content["trainer"]["hooks"]["LRScheduler"]["last_epoch"] == 4
    assert content["trainer"]["optimizer"]["state"][0]["momentum_buffer"].abs().sum() > 0


def test_a_trainer_resumes_from_it_through_the_checkpointer(detectron2_pth):
    model = Net()
    trainer = SimpleTrainer(model, batches(), torch.optim.SGD(model.parameters(), lr=9, momentum=1))
    trainer.register_hooks(
        [hooks.LRScheduler(scheduler=MultiStepParamScheduler([1, 0.1], milestones=[2, 4]))]
    )
    rest = SafeCheckpointer(model, trainer=trainer).load(str(detectron2_pth))
    assert (rest["iteration"], trainer.iter) == (3, 3)
    assert trainer.optimizer.param_groups[0]["momentum"] == 0.9


@pytest.mark.parametrize("new", [True, False], ids=["zip", "legacy"])
def test_numpy_in_a_pth_comes_back_as_numpy(tmp_path, new):
    rng = np.random.default_rng(0)
    extra = {
        "metric": np.float64(3.5),
        "flag": np.bool_(True),
        "rng": np.random.get_state(),
        "rows": [np.asfortranarray(rng.normal(size=(3, 4))), np.array(["a", "bc"]), np.array(7)],
        "shape": torch.Size([2, 3]),
    }
    saved = {"model": OrderedDict(w=torch.ones(2)), **extra}
    torch.save(saved, tmp_path / "x.pth", _use_new_zipfile_serialization=new)
    allowed = torch.serialization.get_safe_globals()
    content = read_weights(tmp_path / "x.pth")
    assert same(content, saved)
    assert not np.shares_memory(content["rows"][0], extra["rows"][0])
    assert set(torch.serialization.get_safe_globals()) == set(allowed)


def test_a_bare_state_dict_becomes_the_model(tmp_path):
    torch.save(Net().state_dict(), tmp_path / "x.pth")
    content = read_weights(tmp_path / "x.pth")
    assert list(content) == ["model"]
    assert list(content["model"]) == list(Net().state_dict())


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize("dtype", ["f4", "f8", "f2", ">f4", "i8", "u1", "bool", "c8"])
def test_zoo_pickles_of_every_protocol_read(tmp_path, protocol, dtype):
    array = (np.arange(24).reshape(2, 3, 4) * 0.75).astype(dtype)
    model = {"w": array, "t": np.asfortranarray(array[0]), "empty": np.zeros((0, 2), dtype)}
    zoo = {"model": model, "__author__": "me", "matching_heuristics": True}
    (tmp_path / "x.pkl").write_bytes(pickle.dumps(zoo, protocol))
    content = read_weights(tmp_path / "x.pkl")
    native = {name: value.astype(value.dtype.newbyteorder("=")) for name, value in model.items()}
    assert same(content, {**zoo, "model": native})
    assert all(value.flags.writeable for value in content["model"].values())


def test_the_names_of_numpy_1_and_of_python_2_read(tmp_path):
    data = pickle.dumps({"w": np.arange(3.0)}, 2).replace(b"numpy._core", b"numpy.core")
    assert b"numpy.core" in data
    (tmp_path / "x.pkl").write_bytes(data)
    assert same(read_weights(tmp_path / "x.pkl")["model"], {"w": np.arange(3.0)})
    # as Python 2 wrote it: raw bytes as text
    raw = np.arange(3.0).tobytes()
    body = b"cnumpy.core.multiarray\n_reconstruct\n(cnumpy\nndarray\n(I0\ntS'b'\ntR(I1\n(I3\nt"
    body += b"cnumpy\ndtype\n(S'f8'\nI0\nI1\ntR(I3\nS'<'\nNNNI-1\nI-1\nI0\ntb"
    (tmp_path / "x.pkl").write_bytes(b"(dS'w'\n" + body + b"I00\nU\x18" + raw + b"tbs.")
    assert same(read_weights(tmp_path / "x.pkl")["model"], {"w": np.arange(3.0)})


def test_caffe2_and_pycls_files_take_detectron2s_form(tmp_path):
    blobs = {"conv1_w": np.ones(2), "conv1_w_momentum": np.ones(2)}
    for name, content in {"d1": {"blobs": blobs, "cfg": "x: 1"}, "imagenet": blobs}.items():
        (tmp_path / f"{name}.pkl").write_bytes(pickle.dumps(content, 2))
        read = read_weights(tmp_path / f"{name}.pkl")
        assert (list(read["model"]), read["__author__"]) == (["conv1_w"], "Caffe2")
        assert read["matching_heuristics"] is True
    state = {"stem.w": torch.ones(1), "stem.num_batches_tracked": torch.ones(1)}
    torch.save({"model_state": state, "epoch": 3}, tmp_path / "x.pyth")
    read = read_weights(tmp_path / "x.pyth")
    assert (list(read["model"]), read["__author__"]) == (["stem.w"], "pycls")


@pytest.mark.parametrize("author", ["Caffe2", "torchvision"])
def test_detectron2s_heuristics_go_on_working(tmp_path, author):
    weights = np.random.default_rng(0).normal(size=(4, 3, 3, 3)).astype("f4")
    zoo = {
        "Caffe2": {"blobs": {"conv1_w": weights, "conv1_w_momentum": weights}},
        "torchvision": {"model": {"conv1.weight": weights}, "__author__": author},
    }[author]
    zoo |= {"matching_heuristics": True}
    (tmp_path / "R-50.pkl").write_bytes(pickle.dumps(zoo, 2))
    models = [nn.ModuleDict({"stem": Net()}) for _ in range(2)]
    models[0].load_state_dict(models[1].state_dict())
    DetectionCheckpointer(models[0]).load(str(tmp_path / "R-50.pkl"))
    SafeCheckpointer(models[1]).load(str(tmp_path / "R-50.pkl"))
    assert same(*[dict(model.state_dict()) for model in models])
    assert np.array_equal(models[1]["stem"].conv1.weight.detach().numpy(), weights)


def test_an_address_may_ask_for_heuristics(tmp_path):
    weights = torch.randn(4, 3, 3, 3)
    torch.save({"conv1.weight": weights}, tmp_path / "x.pth")
    model = nn.ModuleDict({"backbone": Net()})
    SafeCheckpointer(model).load(f"{tmp_path}/x.pth?matching_heuristics=True")
    assert torch.equal(model["backbone"].conv1.weight, weights)


def test_the_name_of_a_file_does_not_matter(tmp_path):
    (tmp_path / "x.pth").write_bytes(pickle.dumps({"w": np.ones(2)}))
    assert read_weights(tmp_path / "x.pth")["__author__"] == "Caffe2"
    torch.save({"model": {"w": torch.ones(2)}}, tmp_path / "x.pkl")
    assert same(read_weights(tmp_path / "x.pkl"), {"model": {"w": torch.ones(2)}})


# What is refused


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
    assert re.fullmatch(
        rf"checkpoint {path} asks for [\w.]*{re.escape(name)}, .*", str(error.value)
    )
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
    texts = [
        pickle.SHORT_BINUNICODE + bytes([len(text)]) + text.encode() for text in (module, name)
    ]
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
    with pytest.raises(CheckpointError, match=f"{tmp_path}/x.pth cannot be read: Unsupported oper"):
        read_weights(tmp_path / "x.pth")
    assert not (tmp_path / "was_run").exists()


def test_a_torchscript_file_is_refused(tmp_path):
    torch.jit.save(torch.jit.script(nn.ReLU()), tmp_path / "x.pth")
    with pytest.raises(CheckpointError, match=r"x\.pth cannot be read: .*TorchScript"):
        read_weights(tmp_path / "x.pth")


def test_absent_files_and_folders_are_named(tmp_path):
    for path in (tmp_path / "x.pth", tmp_path):
        with pytest.raises(CheckpointError, match=f"{path} does not exist"):
            read_weights(path)


# Damage


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
    """Anywhere in the file, and everywhere in a .pth's directory of records."""
    path, first = tmp_path / f"x{suffix}", 0
    if suffix == ".pth":
        torch.save({"model": {"w": torch.randn(50)}, "iteration": 3}, path)
        with zipfile.ZipFile(path) as archive:
            first = archive.start_dir * 8
    else:
        write_safetensors({"w": torch.randn(50)}, path, {"__author__": "me"})
    good, size, noticed = read_weights(path), path.stat().st_size * 8, 0
    spots = [*range(first, size), *random.Random(0).sample(range(first), min(first, 300))]
    for spot in flips(path, spots):
        try:
            assert same(read_weights(path), good), spot
        except CheckpointError as e:
            assert str(path) in str(e)
            noticed += 1
    assert noticed > len(spots) / 4


def test_a_flipped_bit_of_a_pickle_is_an_error_or_a_number(tmp_path):
    """Pickles have no checksum: a flip may change a number, but raises nothing else and runs nothing."""
    path = tmp_path / "x.pkl"
    zoo = {"model": {"w": np.ones(3, "f4")}, "__author__": "me", "matching_heuristics": True}
    for protocol in (2, 5):
        path.write_bytes(pickle.dumps(zoo, protocol))
        for _ in flips(path, range(path.stat().st_size * 8)):
            with contextlib.suppress(CheckpointError):
                read_weights(path)


@pytest.mark.parametrize("share", [0.0, 0.01, 0.5, 0.99])
@pytest.mark.parametrize("suffix", [".pth", ".pkl", ".safetensors"])
def test_cut_off_files_are_named(tmp_path, detectron2_pth, suffix, share):
    path = tmp_path / f"x{suffix}"
    weights = {"w": torch.ones(1000)}
    if suffix == ".safetensors":
        write_safetensors(weights, path, {})
    else:
        zoo = pickle.dumps({"w": np.ones(1000)}, 2)
        path.write_bytes(detectron2_pth.read_bytes() if suffix == ".pth" else zoo)
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])
    with pytest.raises(CheckpointError, match=f"checkpoint {path} "):
        read_weights(path)


# Safetensors


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
def test_what_is_no_dense_tensor_is_named(tmp_path, value):
    with pytest.raises(ValueError, match="momentum is no dense tensor"):
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
