"""Data that have moved are the same data; other data in their place are not."""

import json
import shutil

import pytest

from retina_plugin.config import ConfigError, get_config
from retina_plugin.engine.reliability.identity import RunIdentity


@pytest.fixture
def cells(tmp_path):
    for part, width in (("train", 20), ("val", 30)):
        (tmp_path / "cells" / part).mkdir(parents=True)
        write_json(tmp_path / "cells", part, width)
    return tmp_path / "cells"


def write_json(folder, part, width):
    image = {"id": 1, "file_name": "a.png", "width": 64, "height": 64}
    found = {"id": 1, "image_id": 1, "category_id": 1, "bbox": [8, 8, width, 20], "area": width * 20, "iscrowd": 0}
    content = {"images": [image], "annotations": [found], "categories": [{"id": 1, "name": "x"}]}
    (folder / f"{part}.json").write_text(json.dumps(content))


def identity(folder, data="data"):
    files = [
        f"data.{p}_{k}={folder}/{p}{end}" for p in ("train", "val") for k, end in (("json", ".json"), ("images", ""))
    ]
    return RunIdentity(get_config("custom/retinanet_MNV2_FPN.py", [*files, "model.num_classes=1"]), data)


def test_moved_data_are_the_same(cells, tmp_path):
    state = identity(cells).state_dict()
    shutil.move(cells, tmp_path / "scratch")
    assert identity(tmp_path / "scratch").changes(state) == []
    assert identity(f"{tmp_path}/./scratch").changes(state) == []


def test_other_data_elsewhere_are_named(cells, tmp_path):
    state = identity(cells).state_dict()
    shutil.copytree(cells, tmp_path / "other")
    write_json(tmp_path / "other", "val", 31)
    found = identity(tmp_path / "other").changes(state)
    assert found and all("val" in phrase and not phrase.startswith("dataloader.train") for phrase in found)
    found = identity(tmp_path / "other", "other").changes(state)
    assert [phrase for phrase in found if phrase.startswith("dataloader.train.dataset.names.json_file was ")]
    assert found[-1] == "the training data have other images, boxes or labels"


@pytest.mark.parametrize("number, is_other", [(7, False), (8, True)])
def test_a_run_of_another_config_is_told_from_one_with_a_few_other_settings(cells, number, is_other):
    now = identity(cells)
    state = now.state_dict()
    changed = dict.fromkeys(list(state["config"])[:number], "other")
    with pytest.raises(ConfigError) as caught:
        now.load_state_dict(state | {"config": state["config"] | changed})
    message = "./output/custom seems to hold the run of another config: choose another train.output_dir. It"
    assert str(caught.value).startswith(f"{message if is_other else 'this run'} began with other settings: ")
    assert ("and 1 more" in str(caught.value)) == is_other


@pytest.mark.parametrize("data", ["data", ""])
def test_without_a_fingerprint_the_place_counts(cells, tmp_path, data):
    """Earlier checkpoints have none of the test data, and loaders of others none of the training data."""
    state = identity(cells, data).state_dict()
    del state["test_data"]
    shutil.copytree(cells, tmp_path / "copy")
    found = identity(tmp_path / "copy", data).changes(state)
    assert [p for p in found if p.startswith("dataloader.test.dataset.names.json_file was ")]
    assert any(p.startswith("dataloader.train.dataset.names.json_file was ") for p in found) == (not data)


@pytest.mark.parametrize("several", [False, True])
def test_the_folder_of_an_evaluator_does_not_count_alone_or_in_a_list(tiny_cfg, several):
    states = []
    for folder in ("one", "other"):
        cfg = tiny_cfg()
        cfg.dataloader.evaluator.dataset_name = "val"
        cfg.dataloader.evaluator.output_dir = folder
        cfg.dataloader.evaluator = [cfg.dataloader.evaluator] if several else cfg.dataloader.evaluator
        states.append(RunIdentity(cfg, ""))
    assert states[0].changes(states[1].state_dict()) == []
