"""Faults of settings that the doctor finds without looking at data."""

import copy
import functools
import re

import pytest
from omegaconf import OmegaConf

from retina_plugin.analysis.doctor.subject import Subject
from retina_plugin.analysis.doctor.training import QUICK_CHECKS, learning_rate, updates
from retina_plugin.analysis.doctor.training.settings import references, unread_keys
from retina_plugin.config import get_config
from retina_plugin.config.overrides import apply_override

CUSTOM = "custom/retinanet_MNV2_FPN.py"
FINETUNE = "custom/retinanet_R_50_FPN_finetune.py"
R50 = "COCO-Detection/retinanet_R_50_FPN_1x.py"
ADAM = "quick/retinanet_tiny_synthetic.py"
BOTTOM_UP = "model.backbone.bottom_up"
STEP = "lr_multiplier.scheduler"

FAULTS = {
    # 1 GPU with the learning rate of 8: detectron2#550, retinanet-examples#8
    "SGD, 2 images at the rate of 16": ("lr-high", R50, ["dataloader.train.total_batch_size=2"]),
    "AdamW at the rate of SGD": ("lr-high", ADAM, ["optimizer.lr=0.01"]),
    "SGD at a hundredth of its rate": ("lr-low", R50, ["optimizer.lr=0.0001"]),
    "AdamW without any rate": ("lr-low", ADAM, ["optimizer.lr=1e-7"]),
    "SGD without warm-up": ("no-warmup", R50, ["lr_multiplier.warmup_factor=1.0"]),
    "warm-up to the end": ("warmup-long", ADAM, ["lr_multiplier.warmup_length=0.9"]),
    "a warm-up from below 0": ("lr-negative", R50, ["lr_multiplier.warmup_factor=-1.0"]),
    "a rate that becomes negative": ("lr-negative", R50, [f"{STEP}.values=[1.0,0.1,-0.1]"]),
    "milestones at once": ("lr-falls-early", R50, [f"{STEP}.milestones=[6000,8000,90000]"]),
    "milestones at the very end": ("lr-never-falls", R50, [f"{STEP}.values=[1.0,1.0,0.9]"]),
    "yacs key": ("key-not-read", R50, ["+MODEL={ROI_HEADS:{NUM_CLASSES:3}}"]),
    "key of the data that nothing reads": ("key-not-read", CUSTOM, ["+data.shortest_edge=320"]),
    "focal loss of the menu, not of the model": ("loss-setting-not-read", ADAM, ["losses.focal.label_smoothing=0.1"]),
    "cross entropy of the menu": ("loss-setting-not-read", ADAM, ["losses.sigmoid_ce.alpha=0.5"]),
    "gamma while softmax is used": (
        "loss-setting-not-read",
        ADAM,
        ["losses.focal.gamma=1.0", "model.cls_loss='${losses.softmax_ce}'"],
    ),
    "box loss of the menu": ("loss-setting-not-read", ADAM, ["box_losses.smooth_l1.beta=1.0"]),
    "mean in units of 1": ("pixel-units", ADAM, ["model.pixel_mean=[0.485,0.456,0.406]"]),
    "deviation in units of 1": ("pixel-units", ADAM, ["model.pixel_std=[0.229,0.224,0.225]"]),
    "images read as BGR": ("channel-order", ADAM, ["dataloader.train.mapper.image_format=BGR"]),
    "test images read as BGR": ("channel-order", ADAM, ["dataloader.test.mapper.image_format=BGR"]),
    "BGR for torchvision's weights": ("weights-channel-order", ADAM, ["model.input_format=BGR"]),
    "RGB for Detectron2's weights": ("weights-channel-order", R50, ["model.input_format=RGB"]),
    "mean in the other order": ("weights-normalization", ADAM, ["model.pixel_mean=[103.53,116.28,123.675]"]),
    "deviation of torchvision's": ("weights-normalization", R50, ["model.pixel_std=[58.395,57.12,57.375]"]),
    "deviation of torchvision's for COCO's weights": (
        "weights-normalization",
        FINETUNE,
        ["model.pixel_std=[58.395,57.12,57.375]", "train.init_checkpoint=here/model_final_5bd44e.pkl"],
    ),
    "FrozenBN with random weights": ("frozen-random-weights", ADAM, [f"{BOTTOM_UP}.weights=null"]),
    "ResNet without its weights": ("frozen-random-weights", R50, ["train.init_checkpoint=''"]),
    "threshold of a demo": ("score-thresh-high", ADAM, ["model.test_score_thresh=0.5"]),
    "NMS off": ("nms-extreme", ADAM, ["model.test_nms_thresh=1.0"]),
    "NMS of any overlap": ("nms-extreme", ADAM, ["model.test_nms_thresh=0.1"]),
    "few candidates": ("topk-small", ADAM, ["model.test_topk_candidates=50"]),
    "evaluation after the end": ("one-evaluation", ADAM, ["train.eval_period=5000"]),
    "tiny gradients with SGD": ("clip-small", R50, ["train.clip_grad_norm=0.01"]),
    "average of a long training": ("ema-long", ADAM, ["train.ema_decay=0.9999"]),
    "more processes than cores": ("many-workers", ADAM, ["dataloader.train.num_workers=1000"]),
}


read = functools.cache(get_config)


def changed(config, overrides=()):
    """A config with overrides; faster than checking all of it again."""
    cfg = copy.deepcopy(read(config))
    for override in overrides:
        apply_override(cfg, override)
    return cfg


@functools.cache
def usual(config):
    return {finding.code for finding in findings(changed(config))}


def findings(cfg):
    return [finding for check in QUICK_CHECKS for finding in check(Subject(cfg))]


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_found_and_nothing_else(fault):
    code, config, overrides = FAULTS[fault]
    assert {finding.code for finding in findings(changed(config, overrides))} - usual(config) == {code}


@pytest.mark.parametrize("value", [float("inf"), float("nan")])
def test_a_rate_that_is_not_finite_is_found(value):
    cfg = changed(R50, [])
    cfg.lr_multiplier.scheduler.values = [1.0, value, 0.1]
    (found,) = learning_rate.schedule(Subject(cfg))
    assert found.code == "lr-negative" and re.search(r"not finite from iteration 6\d{4} on", found.message)


@pytest.mark.parametrize("config", [ADAM, CUSTOM, FINETUNE, R50, "PascalVOC-Detection/retinanet_R_50_FPN.py"])
def test_configs_of_the_project_have_no_fault(config):
    assert [str(finding) for finding in findings(changed(config)) if finding.severity != "hint"] == []


@pytest.mark.parametrize("fault", ["SGD, 2 images at the rate of 16", "AdamW at the rate of SGD", "NMS off"])
def test_the_override_of_a_finding_removes_it(fault):
    code, config, overrides = FAULTS[fault]
    found = next(finding for finding in findings(changed(config, overrides)) if finding.code == code)
    assert code not in {finding.code for finding in findings(changed(config, [*overrides, found.fix]))}


def test_the_learning_rate_is_scaled_with_the_batch():
    cfg = changed(R50, ["dataloader.train.total_batch_size=4"])
    found = next(finding for finding in findings(cfg) if finding.code == "lr-high")
    assert found.fix == "optimizer.lr=0.0025" and "4 times the 0.0025 for 4 images" in found.message


def test_an_unread_setting_of_the_loss_in_use_is_moved_to_the_model():
    found = findings(changed(ADAM, ["losses.focal.label_smoothing=0.1"]))
    assert [x.fix for x in found if x.code == "loss-setting-not-read"] == ["model.cls_loss.label_smoothing=0.1"]


def test_a_yacs_key_is_answered_with_the_lazy_one():
    found = findings(changed(R50, ["+MODEL={ROI_HEADS:{NUM_CLASSES:3}}"]))
    assert [x.fix for x in found if x.code == "key-not-read"] == ["set model.num_classes instead"]


def test_keys_are_read_through_their_parents_children_and_defaults():
    cfg = OmegaConf.create(
        {"own": {"a": 1, "b": [1, 2], "c": {"d": 3}, "e": 4}, "x": "${own.a}", "y": ["${oc.select:own.b.1,7}"]}
    )
    assert references(cfg) == {"own.a", "own.b.1"}
    assert dict(unread_keys(cfg, "own")) == {"own.c.d": 3, "own.e": 4}
    cfg.z = "${own}"
    assert not dict(unread_keys(cfg, "own"))


@pytest.mark.parametrize("device", ["cpu", "auto"])
def test_bfloat16_without_instructions_for_it(device, monkeypatch, tmp_path):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    cfg = changed(ADAM, ["train.amp.enabled=true", f"train.device={device}"])
    for flags, expected in (("avx2 fma", {"bf16-emulated"}), ("avx2 avx512_bf16", set())):
        (tmp_path / "cpuinfo").write_text(f"flags : {flags}\n")
        monkeypatch.setattr(updates, "_CPU_INFO", tmp_path / "cpuinfo")
        assert {x.code for x in updates.machine(Subject(cfg))} == expected
