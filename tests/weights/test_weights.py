"""Checkpoints that read, and to what."""

import pickle
from collections import Counter, OrderedDict

import numpy as np
import pytest
import torch
from conftest import ROOT
from detectron2.checkpoint import DetectionCheckpointer
from detectron2.engine import SimpleTrainer, hooks
from fvcore.common.param_scheduler import MultiStepParamScheduler
from torch import nn

from retina_plugin.weights import CheckpointError, SafeCheckpointer, read_weights


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


def test_a_checkpoint_of_detectron2s_trainer_reads_whole(detectron2_pth):
    content = read_weights(detectron2_pth)
    assert same(content, torch.load(detectron2_pth, weights_only=False))
    assert content["trainer"]["hooks"]["LRScheduler"]["last_epoch"] == 4
    assert content["trainer"]["optimizer"]["state"][0]["momentum_buffer"].abs().sum() > 0


def test_a_trainer_resumes_from_it_through_the_checkpointer(detectron2_pth):
    model = Net()
    trainer = SimpleTrainer(model, batches(), torch.optim.SGD(model.parameters(), lr=9, momentum=1))
    trainer.register_hooks([hooks.LRScheduler(scheduler=MultiStepParamScheduler([1, 0.1], milestones=[2, 4]))])
    rest = SafeCheckpointer(model, trainer=trainer).load(str(detectron2_pth))
    assert (rest["iteration"], trainer.iter) == (3, 3)
    assert trainer.optimizer.param_groups[0]["momentum"] == 0.9


@pytest.mark.parametrize("form", ["zip", "legacy"])
def test_numpy_in_a_pth_comes_back_as_numpy(tmp_path, form):
    rng = np.random.default_rng(0)
    extra = {
        "metric": np.float64(3.5),
        "flag": np.bool_(True),
        "rng": np.random.get_state(),
        "rows": [np.asfortranarray(rng.normal(size=(3, 4))), np.array(["a", "bc"]), np.array(7)],
        "shape": torch.Size([2, 3]),
    }
    saved = {"model": OrderedDict(w=torch.ones(2)), **extra}
    torch.save(saved, tmp_path / "x.pth", _use_new_zipfile_serialization=form == "zip")
    allowed = torch.serialization.get_safe_globals()
    content = read_weights(tmp_path / "x.pth")
    assert same(content, saved)
    assert not np.shares_memory(content["rows"][0], extra["rows"][0])
    assert set(torch.serialization.get_safe_globals()) == set(allowed)


def test_a_file_of_before_pytorch_1_6_reads_whole(tmp_path):
    base = torch.arange(24.0).reshape(4, 6)
    model = {"view": base[1:3, ::2], "buffer": base, "half": base.half(), "none": torch.zeros(0, 4)}
    model |= {"parameter": nn.Parameter(base), "bfloat16": base.bfloat16(), "complex": base.cfloat()}
    saved = {"model": model, "metric": np.float64(3.5), "iteration": 7}
    torch.save(saved, tmp_path / "x.pth", _use_new_zipfile_serialization=False)
    content = read_weights(tmp_path / "x.pth")
    assert same(content, torch.load(tmp_path / "x.pth", weights_only=False))
    content["model"]["buffer"][1, 0] = -1  # memory is shared as it was
    assert content["model"]["view"][0, 0] == -1


def test_tensors_of_every_kind_come_back_from_a_pth(tmp_path):
    base = torch.arange(24.0).reshape(4, 6)
    numbers = ["float64", "float16", "bfloat16", "bool", "uint8", "int8", "int16", "int32", "int64"]
    model = {dtype: base.to(getattr(torch, dtype)) for dtype in [*numbers, "complex64", "complex128"]}
    model |= {"view": base[1:3, ::2], "transposed": base.T, "one": torch.tensor(3.0)}
    model |= {"none": torch.zeros(0, 4), "parameter": nn.Parameter(base), "buffer": base}
    model |= {"conv": torch.randn(2, 3, 4, 5).to(memory_format=torch.channels_last)}
    rest = {
        "device": torch.device("cuda", 1),
        "dtype": torch.float16,
        "milestones": Counter([3, 3]),
    }
    torch.save({"model": model, **rest}, tmp_path / "x.pth")
    content = read_weights(tmp_path / "x.pth")
    assert same(content, torch.load(tmp_path / "x.pth", weights_only=False))
    read = content["model"]
    assert read["conv"].stride() == model["conv"].stride()
    assert read["parameter"].requires_grad and not read["buffer"].requires_grad
    read["buffer"][1, 0] = -1  # memory is shared as it was
    assert read["view"][0, 0] == -1 and read["transposed"][0, 1] == -1


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


def test_a_pickle_of_a_model_has_names_of_its_own(tmp_path):
    (tmp_path / "x.pkl").write_bytes(pickle.dumps({"model": {"conv1.weight": np.ones(2)}}))
    assert same(read_weights(tmp_path / "x.pkl"), {"model": {"conv1.weight": np.ones(2)}})


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


@pytest.mark.parametrize("path", sorted(ROOT.glob("tests/fixtures/old_runs/**/*.pth")), ids=lambda p: p.name)
def test_checkpoints_of_earlier_runs_read_whole(path):
    content = read_weights(path)
    assert same(content, torch.load(path, weights_only=False))
    assert content["model"]


def test_every_kind_of_value_error_names_the_checkpoint(tmp_path, monkeypatch):
    torch.save({"weight": torch.ones(1, 1), "bias": torch.ones(1)}, tmp_path / "x.pth")
    broken = UnicodeDecodeError("utf-8", b"", 0, 1, "bad")
    monkeypatch.setattr(SafeCheckpointer, "_load_model", lambda *_: (_ for _ in ()).throw(broken))
    with pytest.raises(CheckpointError, match="x.pth cannot be used: .*bad"):
        SafeCheckpointer(nn.Linear(1, 1)).load(str(tmp_path / "x.pth"))
