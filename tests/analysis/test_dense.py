"""Logits, deltas and labels of every anchor, beside what the detector computes in training and in a test."""

import shutil

import pytest
import torch
from detectron2.config import instantiate

from retina_plugin.analysis.dense import dense_images, load_detector
from retina_plugin.analysis.errors.results import read_results
from retina_plugin.config import ConfigError
from retina_plugin.data import DataError
from retina_plugin.evaluation import build_annotated_loader, validation_loss


def test_the_losses_of_dense_images_are_the_validation_loss(tiny_cfg):
    cfg = tiny_cfg()
    model = instantiate(cfg.model).eval()
    found = list(dense_images(cfg, model))
    foreground = [(x.labels >= 0) & (x.labels < 3) for x in found]
    cls = sum(model.cls_loss.dense_loss(x.logits, x.targets) for x in found)
    box = sum(
        model.box_loss(x.deltas[own], x.anchors[own], x.boxes[own], model.box2box_transform)
        for x, own in zip(found, foreground, strict=True)
    )
    number = sum(own.sum() for own in foreground)
    expected = validation_loss(model, build_annotated_loader(cfg))
    assert number > 0
    assert (cls / number).item() == pytest.approx(expected["loss_cls"], rel=1e-6)
    assert (box / number).item() == pytest.approx(expected["loss_box_reg"], rel=1e-6)


def test_entries_levels_and_scale_belong_to_the_image(tiny_cfg):
    cfg = tiny_cfg()
    cfg.dataloader.test.mapper.augmentations = cfg.dataloader.test.mapper.augmentations + [
        {"_target_": "detectron2.data.transforms.ResizeShortestEdge", "short_edge_length": 128}
    ]
    model = instantiate(cfg.model).eval()
    first, second = dense_images(cfg, model, "train", max_images=2)
    assert first.image.shape == (3, 128, 128) and first.scale == (2, 2)
    assert first.entry["file_name"] != second.entry["file_name"]
    assert "train" in first.entry["file_name"]
    side = (first.anchors[:, 2] - first.anchors[:, 0]) * (first.anchors[:, 3] - first.anchors[:, 1])
    assert first.levels.unique().tolist() == [0, 1, 2, 3, 4]
    assert [side[first.levels == i].median().sqrt().round().item() for i in range(2)] == [40, 81]
    assert torch.equal(first.logits, next(iter(dense_images(cfg, model, "train"))).logits)


def test_data_whose_classes_have_changed_since_the_training_are_refused(trained_run, tmp_path):
    run = shutil.copytree(trained_run, tmp_path / "run")
    text = (run / "config.yaml").read_text()
    assert "- circle\n  - square" in text
    (run / "config.yaml").write_text(text.replace("- circle\n  - square", "- square\n  - circle"))
    message = "category 1 of synthetic_.* is circle, but was square when the run was trained"
    for split in ("train", "test"):
        with pytest.raises(DataError, match=message):
            next(dense_images(*load_detector(run), split))
    with pytest.raises(DataError, match=message):
        read_results(run)


def test_a_model_without_anchors_is_refused(tiny_cfg, tmp_path):
    cfg = tiny_cfg()
    cfg.model = {"_target_": "torch.nn.Identity"}
    from detectron2.config import LazyConfig

    LazyConfig.save(cfg, str(tmp_path / "config.yaml"))
    with pytest.raises(ConfigError, match="needs a PluggableRetinaNet, got Identity"):
        load_detector(tmp_path, trust=["torch"])
