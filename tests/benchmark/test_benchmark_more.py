"""Loading, start-up and the sweep: what is compared is the same, and what is found is shown."""

import json

import pytest
import torch
from conftest import QUICK, TINY

from retina_cli.arguments import parse
from retina_cli.main import COMMANDS
from retina_plugin.benchmark import startup
from retina_plugin.benchmark.data import benchmark_data, loaders
from retina_plugin.benchmark.inference import sweep
from retina_plugin.config import ConfigError

ROW = {"seconds": 1.0, "ratio": 0.5, "lowest": 0.4, "highest": 0.7}


@pytest.mark.parametrize("grouping", [True, False])
def test_both_loaders_give_the_same_pixels_and_boxes(tiny_cfg, grouping):
    cfg = tiny_cfg(f"+dataloader.train.aspect_ratio_grouping={grouping}")
    sides = loaders(cfg)
    for _ in range(6):  # more than one pass over the 8 images
        theirs, ours = (next(side) for side in sides.values())
        assert len(theirs) == len(ours) == 2
        for a, b in zip(theirs, ours, strict=True):
            assert a["file_name"] == b["file_name"] and torch.equal(a["image"], b["image"])
            assert torch.equal(a["instances"].gt_boxes.tensor, b["instances"].gt_boxes.tensor)


def test_loading_is_timed():
    found = benchmark_data(QUICK, 1, TINY)
    assert list(found) == ["detectron2", "retina_plugin"] and found["retina_plugin"]["seconds"] > 0


def test_the_start_of_a_training_is_timed(monkeypatch):
    class Process:
        stdout = ("Building", "Starting training from iteration 0", "[d2] eta: 0 iter: 0  total_loss: 1", "more")

        def __init__(self, command, **_):
            assert "train.max_iter=2" in command and "a.b=1" in command

        def __enter__(self):
            return self

        def __exit__(self, *_):
            pass

        def terminate(self):
            self.ended = True

        def communicate(self):
            assert self.ended

    monkeypatch.setattr(startup.subprocess, "run", lambda *_, **__: None)
    monkeypatch.setattr(startup.subprocess, "Popen", Process)
    found = startup.benchmark_startup("x.py", 2, ["a.b=1"])
    assert list(found) == ["libraries", "without compiler", "first iteration begins", "first iteration ends"]
    assert found["first iteration begins"]["seconds"] < found["first iteration ends"]["seconds"]


def test_a_training_that_does_not_start_is_named(monkeypatch):
    monkeypatch.setattr(startup.subprocess, "run", lambda *_, **__: None)
    monkeypatch.setattr(startup, "_start", lambda *_: (_ for _ in ()).throw(ConfigError("ended before")))
    with pytest.raises(ConfigError, match="ended before"):
        startup.benchmark_startup("x.py", 1)


def test_the_sweep_varies_one_thing_at_a_time(monkeypatch):
    calls = []

    def measure(config_file, size, candidates, repeats, overrides, batch_size, memory):
        calls.append((tuple(size), tuple(overrides), batch_size))
        return {
            "detectron2": ROW | dict.fromkeys(["ratio", "lowest", "highest"], 1.0),
            "float32": ROW,
            "matmul, float32": {"seconds": 1.0},
        }

    monkeypatch.setattr(sweep, "benchmark_inference", measure)
    found = sweep.sweep_inference("x.py", (480, 640), 300, 1, ["a.b=1"])
    assert list(found["image size"]) == ["240 x 320", "480 x 640", "720 x 960"]
    assert [size for size, _, _ in calls[3:]] == [(480, 640)] * 7
    assert [more for _, more, _ in calls[3:7]] == [("a.b=1", f"model.num_classes={k}") for k in (1, 20, 80, 365)]
    assert [batch for _, _, batch in calls[7:]] == [1, 2, 4]
    figure = sweep.draw_sweep(found)
    assert [x.get_xlabel() for x in figure.axes] == ["image size in pixels", "classes", "images in a batch"]
    labels = [text.get_text() for text in figure.legends[0].get_texts()]
    assert labels == ["detectron2", "float32"]  # and not the machine


@pytest.mark.parametrize(
    ("flags", "message"), [(["x.txt"], "end in .svg or .png"), (["x.svg", "--batch", "2"], "--batch")]
)
def test_a_sweep_that_could_not_be_drawn_is_not_measured(flags, message, capsys):
    with pytest.raises(SystemExit, match="2"):
        parse(COMMANDS["benchmark"], "benchmark", ["infer", "--config-file", "x", "--sweep", *flags])
    assert message in capsys.readouterr().err


def test_json_takes_the_place_of_the_table(monkeypatch, capsys, tmp_path):
    monkeypatch.setattr("retina_plugin.benchmark.assign.benchmark_assignment", lambda *_: {"detectron2": ROW})
    for flags in ([], ["--json"]):
        args = parse(COMMANDS["benchmark"], "benchmark", ["assign", "--output", f"{tmp_path}/found.json", *flags])
        args_out = COMMANDS["benchmark"].run(args)
        assert args_out is None
    table, _, printed = capsys.readouterr().out.partition("{")
    assert "0.400 to 0.700" in table and json.loads("{" + printed) == {"detectron2": ROW}
    assert json.loads((tmp_path / "found.json").read_text()) == {"detectron2": ROW}
