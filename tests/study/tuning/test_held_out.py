"""Tuning measures AP on images that are neither trained on nor in the study's test data."""

from pathlib import Path

import pytest
from conftest import QUICK, TINY
from detectron2.config import instantiate
from detectron2.data import DatasetCatalog

from retina_plugin.config import ConfigError, get_config
from retina_plugin.data import dataset_metadata, register_synthetic
from retina_plugin.study.tuning.held_out import check_disjoint, hold_out

CUSTOM = "custom/retinanet_MNV2_FPN.py"


def pixels(cfg, part):
    entries = DatasetCatalog.get(instantiate(cfg.dataloader[part].dataset.names))
    return {Path(entry["file_name"]).read_bytes() for entry in entries}


def custom_config(tmp_path):
    """A config of COCO json files, 40 images to train on and 10 to test."""
    settings = {"image_size": 64, "object_size": [8, 32]}
    names = (register_synthetic(split, n, settings, str(tmp_path)) for split, n in (("train", 40), ("val", 10)))
    train, test = map(dataset_metadata, names)
    files = [f"data.{k}_json={m.json_file}" for k, m in (("train", train), ("val", test))]
    images = [f"data.{k}_images={m.image_root}" for k, m in (("train", train), ("val", test))]
    return get_config(CUSTOM, [*files, *images])


def test_synthetic_images_differ_from_those_of_training_and_test():
    cfg = get_config(QUICK, TINY)
    tuned = cfg.copy()
    hold_out(tuned, 0.2)
    check_disjoint(tuned, cfg)
    measured = pixels(tuned, "test")
    assert len(measured) == 4 and not measured & (pixels(cfg, "train") | pixels(cfg, "test"))
    assert pixels(tuned, "train") == pixels(cfg, "train")


def test_of_a_json_a_part_of_the_training_images_is_held_out(tmp_path, monkeypatch):
    monkeypatch.setenv("RETINA_PLUGIN_CACHE", str(tmp_path))
    cfg = custom_config(tmp_path)
    tuned = cfg.copy()
    hold_out(tuned, 0.2)
    check_disjoint(tuned, cfg)
    trained, measured = pixels(tuned, "train"), pixels(tuned, "test")
    assert trained | measured == pixels(cfg, "train") and not measured & (trained | pixels(cfg, "test"))
    assert instantiate(tuned.model.num_classes) == 3
    assert instantiate(tuned.dataloader.evaluator.dataset_name) == instantiate(tuned.dataloader.test.dataset.names)


def test_test_images_among_the_training_images_are_refused(tmp_path, monkeypatch):
    monkeypatch.setenv("RETINA_PLUGIN_CACHE", str(tmp_path))
    cfg = custom_config(tmp_path)
    cfg.data.val_json, cfg.data.val_images = cfg.data.train_json, cfg.data.train_images
    tuned = cfg.copy()
    hold_out(tuned, 0.2)
    with pytest.raises(ConfigError, match="images that are in the test data of the study too"):
        check_disjoint(tuned, cfg)


def test_several_data_sets_are_refused(tmp_path):
    cfg = get_config(QUICK, TINY)
    cfg.dataloader.train.dataset.names = ["a", "b"]
    with pytest.raises(ConfigError, match="one data set with a COCO json"):
        hold_out(cfg, 0.2)
