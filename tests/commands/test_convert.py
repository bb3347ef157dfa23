"""Weights from one file format to another."""

import pickle

import numpy as np
import pytest
import torch
from detectron2.checkpoint import DetectionCheckpointer
from test_commands import tool

from retina_plugin.commands.convert import convert_weights
from retina_plugin.config import load_config
from retina_plugin.engine.setup import build_model
from retina_plugin.weights import CheckpointError, SafeCheckpointer, read_weights


def test_a_run_goes_to_safetensors_and_back(monkeypatch, capsys, trained_run, tmp_path):
    run = trained_run / "model_final.pth"
    code, printed = tool(monkeypatch, capsys, "convert_weights", run, tmp_path / "w.safetensors")
    count = len(read_weights(run)["model"])
    assert (code, printed.out) == (0, f"{count} tensors are in {tmp_path}/w.safetensors\n")
    assert convert_weights(tmp_path / "w.safetensors", tmp_path / "w.pth") == count
    back = torch.load(tmp_path / "w.pth", weights_only=True)
    assert list(back) == ["model"]  # no optimizer, no iteration
    for name, value in read_weights(run)["model"].items():
        assert torch.equal(value, back["model"][name])
    model = build_model(load_config(trained_run / "config.yaml"), pretrained=False)
    SafeCheckpointer(model).load(str(tmp_path / "w.safetensors"))
    assert torch.equal(model.state_dict()["head.cls_score.bias"], back["model"]["head.cls_score.bias"])
    DetectionCheckpointer(model).load(str(tmp_path / "w.pth"))


def test_averaged_weights_are_taken(tmp_path):
    plain, average = {"w": torch.zeros(2)}, {"w": torch.ones(2)}
    torch.save({"model": plain, "ema": {"model": average, "steps": 3}, "iteration": 2}, tmp_path / "a.pth")
    torch.save({"model": plain, "ema": average}, tmp_path / "b.pth")  # not as a run writes them
    for name, expected in (("a", average), ("b", plain)):
        assert convert_weights(tmp_path / f"{name}.pth", tmp_path / f"{name}.safetensors") == 1
        assert torch.equal(read_weights(tmp_path / f"{name}.safetensors")["model"]["w"], expected["w"])


@pytest.mark.parametrize("suffix", [".safetensors", ".pth"])
def test_a_zoo_pickle_keeps_how_its_names_are_read(tmp_path, suffix):
    blobs = {"conv1_w": np.ones((2, 3), ">f4"), "conv1_w_momentum": np.ones(2)}
    (tmp_path / "R-50.pkl").write_bytes(pickle.dumps({"blobs": blobs}, 2))
    assert convert_weights(tmp_path / "R-50.pkl", tmp_path / f"new/w{suffix}") == 1
    content = read_weights(tmp_path / f"new/w{suffix}")
    assert content.pop("model")["conv1_w"].tolist() == [[1, 1, 1], [1, 1, 1]]
    assert content == {"__author__": "Caffe2", "matching_heuristics": True}


def test_nothing_is_replaced_unless_told(monkeypatch, capsys, tmp_path):
    torch.save({"w": torch.ones(2)}, tmp_path / "a.pth")
    (tmp_path / "b.safetensors").write_text("precious")
    argv = ["convert_weights", tmp_path / "a.pth", tmp_path / "b.safetensors"]
    code, printed = tool(monkeypatch, capsys, *argv)
    assert code == 1
    assert printed.err == f"error: {argv[2]} exists: name another file, or give --overwrite\n"
    assert (tmp_path / "b.safetensors").read_text() == "precious"
    assert tool(monkeypatch, capsys, *argv, "--overwrite")[0] == 0
    assert list(read_weights(argv[2])["model"]) == ["w"]


def test_what_cannot_be_converted_leaves_no_file(tmp_path):
    zoo = {"a": np.ones(2), "name": np.array(["text"])}
    (tmp_path / "x.pkl").write_bytes(pickle.dumps(zoo))
    with pytest.raises(ValueError, match="name has dtype <U4"):
        convert_weights(tmp_path / "x.pkl", tmp_path / "y.pth")
    with pytest.raises(ValueError, match=r"y\.pkl must end in \.safetensors or \.pth"):
        convert_weights(tmp_path / "x.pkl", tmp_path / "y.pkl")
    with pytest.raises(CheckpointError, match="does not exist"):
        convert_weights(tmp_path / "nothing.pth", tmp_path / "y.pth")
    assert [path.name for path in tmp_path.iterdir()] == ["x.pkl"]
