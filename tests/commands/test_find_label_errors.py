"""find_label_errors and plant_label_errors, as functions and as scripts."""

import json
import runpy
import shutil
import sys

import cv2
import pytest
from conftest import ROOT
from detectron2.data import DatasetCatalog, MetadataCatalog
from omegaconf import OmegaConf

from retina_plugin.analysis.labels import find
from retina_plugin.commands.analysis import find_label_errors as command
from retina_plugin.commands.analysis.find_label_errors import find_label_errors
from retina_plugin.commands.analysis.plant_label_errors import plant_label_errors
from retina_plugin.data import DataError, register_synthetic
from retina_plugin.data.coco_json.check import read_coco_json


def tool(monkeypatch, capsys, name, *argv):
    monkeypatch.setattr(sys, "argv", [name, *map(str, argv)])
    with pytest.raises(SystemExit) as end:
        runpy.run_path(str(ROOT / "tools" / f"{name}.py"), run_name="__main__")
    return end.value.code, capsys.readouterr()


def test_listing_leaves_the_annotations_alone(monkeypatch, capsys, trained_run, tmp_path):
    argv = ["--run", trained_run, "--output", tmp_path, "--limit", 5]
    code, printed = tool(monkeypatch, capsys, "find_label_errors", *argv)
    assert code == 0 and "5 proposals" in printed.out
    assert {path.name for path in tmp_path.iterdir()} == {"proposals.json", "labels.html"}
    content = json.loads((tmp_path / "proposals.json").read_text())
    assert [p["id"] for p in content["proposals"]] == [1, 2, 3, 4, 5] and content["total"] >= 5
    strengths = [p["strength"] for p in content["proposals"]]
    assert strengths == sorted(strengths, reverse=True)
    page = (tmp_path / "labels.html").read_text()
    assert page.count("data:image/jpeg") == 5


def test_accepted_proposals_go_into_a_new_file_that_is_never_overwritten(trained_run, tmp_path):
    (tmp_path / "ids.txt").write_text("2\n3\n")
    listed = find_label_errors(trained_run, tmp_path, limit=4, accept=str(tmp_path / "ids.txt"))
    source = json.loads((tmp_path / "proposals.json").read_text())["json_file"]
    old, new = (json.loads(open(path).read()) for path in (source, tmp_path / "repaired.json"))
    changes = json.loads((tmp_path / "changes.json").read_text())
    assert [c["proposal"] for c in changes] == [2, 3]
    added, removed = (sum(c[key] is None for c in changes) for key in ("before", "after"))
    assert len(new["annotations"]) == len(old["annotations"]) + added - removed and new != old
    read_coco_json(tmp_path / "repaired.json")
    names = {f"{p.id:05d}_{p.kind.replace(' ', '_')}.png" for p in listed[1:3]}
    assert {path.name for path in (tmp_path / "changes").iterdir()} == names
    assert all(max(cv2.imread(str(path)).shape) == 256 for path in (tmp_path / "changes").iterdir())
    kept = (tmp_path / "repaired.json").read_bytes()
    with pytest.raises(DataError, match="repaired.json exists and is not overwritten"):
        find_label_errors(trained_run, tmp_path, accept="1")
    assert (tmp_path / "repaired.json").read_bytes() == kept


@pytest.mark.parametrize(
    "text, expected", [("all", [1, 2]), ("3", [1, 2, 3]), ("0", []), ("9", [1, 2, 3, 4]), ("[4, 1]", [1, 4])]
)
def test_what_accept_chooses(tmp_path, text, expected):
    from retina_plugin.analysis.labels.proposals import Proposal

    listed = [Proposal(i, "missing", 1, "", None, None, None, [0] * 4, 0, 0.5, 2.5 - i) for i in (1, 2, 3, 4)]
    if text.startswith("["):
        (tmp_path / "ids.json").write_text(text)
        text = str(tmp_path / "ids.json")
    assert [p.id for p in command._chosen(listed, command._read_choice(text))] == expected


@pytest.mark.parametrize(
    "text, message", [("1\n99", "proposals \\[99\\], which are not among"), ("one", "does not list ids of proposals")]
)
def test_ids_that_do_not_exist_are_refused(trained_run, tmp_path, text, message):
    (tmp_path / "ids").write_text(text)
    with pytest.raises(DataError, match=message):
        find_label_errors(trained_run, tmp_path / "out", limit=2, accept=str(tmp_path / "ids"))
    assert not (tmp_path / "out" / "repaired.json").exists()
    for name, content in (("ids", b"\xff1"), ("ids.json", b"[1.5]"), ("ids.json", b"[true]")):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(DataError, match=f"{name} does not list ids of proposals"):
            command._read_choice(str(tmp_path / name))
    with pytest.raises(DataError, match="neither all, a number nor a file"):
        find_label_errors(trained_run, tmp_path / "out", accept="every")


def test_no_proposals_have_no_kinds(monkeypatch, capsys, tmp_path):
    monkeypatch.setattr(command, "find_label_errors", lambda *args: [])
    code, printed = tool(monkeypatch, capsys, "find_label_errors", "--run", "RUN", "--output", tmp_path)
    assert code == 0 and printed.out == f"0 proposals are in {tmp_path}/labels.html\n"


def test_one_of_several_data_sets_is_chosen(trained_run, tmp_path):
    run = shutil.copytree(trained_run, tmp_path / "run")
    first, second = (register_synthetic("train", number, {"image_size": 64}) for number in (3, 2))
    cfg = OmegaConf.load(run / "config.yaml")
    cfg.dataloader.train.dataset.names = [first, second]
    OmegaConf.save(cfg, run / "config.yaml")
    several = f"dataloader.train.dataset.names has 2 data sets: choose one with --data-set, of {first}, {second}"
    with pytest.raises(DataError, match=several):
        find_label_errors(run, tmp_path / "out")
    with pytest.raises(DataError, match=f"does not have mine: choose one with --data-set, of {first}"):
        find_label_errors(run, tmp_path / "out", data_set="mine")
    find_label_errors(run, tmp_path / "out", data_set=second)
    content = json.loads((tmp_path / "out" / "proposals.json").read_text())
    assert second in content["json_file"] and {p["image_id"] for p in content["proposals"]} <= {1, 2}


def test_data_without_a_json_of_their_own_are_refused(tiny_cfg, tmp_path):
    DatasetCatalog.register("in_memory", list)
    # as Detectron2's evaluator leaves it
    MetadataCatalog.get("in_memory").set(thing_classes=["a"], json_file=str(tmp_path / "in_memory_coco_format.json"))
    cfg = tiny_cfg()
    cfg.dataloader.train.dataset.names = "in_memory"
    with pytest.raises(DataError, match="'in_memory' has no COCO json"):
        find.read_annotated_set(cfg, "train")
    DatasetCatalog.remove("in_memory")
    MetadataCatalog.remove("in_memory")


def test_faults_are_planted_and_counted(monkeypatch, capsys, trained_run, tmp_path):
    listed = find_label_errors(trained_run, tmp_path, limit=2)
    source = json.loads((tmp_path / "proposals.json").read_text())["json_file"]
    code, printed = tool(
        monkeypatch, capsys, "plant_label_errors", "plant", "--json", source, "--output", tmp_path / "a"
    )
    number = len(json.loads((tmp_path / "a" / "faults.json").read_text()))
    assert code == 0 and printed.out.startswith(f"{number} faults are in")
    read_coco_json(tmp_path / "a" / "instances.json")
    with pytest.raises(DataError, match="instances.json exists and is not overwritten"):
        plant_label_errors(source, tmp_path / "a")
    argv = ["count", "--faults", tmp_path / "a" / "faults.json", "--proposals", tmp_path / "proposals.json"]
    code, printed = tool(monkeypatch, capsys, "plant_label_errors", *argv)
    assert code == 0 and printed.out.count("wrong class") == 2 and len(listed) == 2
    code, _ = tool(monkeypatch, capsys, "plant_label_errors", *argv, "--right", tmp_path / "right.txt")
    assert code == 0 and (tmp_path / "right.txt").read_text() == ""  # nothing is planted in the data of the run
    argv[2] = tmp_path / "proposals.json"
    code, printed = tool(monkeypatch, capsys, "plant_label_errors", *argv)
    assert code == 1 and "are not a faults.json and a proposals.json" in printed.err
