"""Activation checkpointing: the same losses and gradients bit for bit, with less kept for the backward pass."""

import copy
import json
import pickle

import pytest
import torch
from conftest import train_args
from detectron2.config import instantiate
from detectron2.utils.events import EventStorage
from test_optimize_for_training import a_batch, a_detector, gradients_and_losses
from torch import nn

from retina_plugin.config import get_config
from retina_plugin.engine import main
from retina_plugin.engine.setup import freeze
from retina_plugin.inference import optimize_for_inference
from retina_plugin.modeling import optimize_for_training, recompute_activations
from retina_plugin.modeling.optimization.recompute import undo_recomputing

TOWERS = "model.head.conv_dims=[16,16]"


def saved_mb(model, batch):
    """Memory that a training pass keeps for its backward pass, each tensor once, without the weights."""
    kept, weights = {}, {x.untyped_storage().data_ptr() for x in model.parameters()}

    def pack(x):
        if x.untyped_storage().data_ptr() not in weights:
            kept[x.untyped_storage().data_ptr()] = x.untyped_storage().nbytes()
        return x

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda x: x):
        losses = model(batch)
    del losses
    return sum(kept.values()) / 2**20


def a_resnet_detector(*overrides):
    """A ResNet-50 in float32 with narrow pyramid and head."""
    torch.manual_seed(0)
    small = ["model.backbone.out_channels=16", "model.head.conv_dims=[16,16]", "model.num_classes=3"]
    return instantiate(get_config("COCO-Detection/retinanet_R_50_FPN_1x.py", [*small, *overrides]).model).train()


@pytest.fixture
def storage():
    with EventStorage():
        yield


@pytest.mark.parametrize(
    ("optimized", "frozen"), [(False, []), (True, ["backbone.bottom_up"]), (True, ["head.cls_subnet"])]
)
def test_losses_and_gradients_are_the_same_bits(tiny_cfg, storage, optimized, frozen):
    plain = a_detector(tiny_cfg, TOWERS)
    freeze(plain, frozen)
    if optimized:
        optimize_for_training(plain)
    other = copy.deepcopy(plain)
    assert recompute_activations(other) == (2 if optimized else 3)  # backbone and towers
    batch = a_batch()
    expected, found = gradients_and_losses(plain, batch), gradients_and_losses(other, batch)
    assert expected.keys() == found.keys() and len(found) > 10
    assert all(torch.equal(expected[name], found[name]) for name in found)


def test_stages_and_towers_keep_less(storage):
    plain = a_resnet_detector()
    other = copy.deepcopy(plain)
    assert (recompute_activations(other), recompute_activations(other)) == (4 + 2, 0)  # stages and towers, once
    batch = a_batch(sizes=((128, 128),))
    for instances in (x["instances"] for x in batch):
        instances.gt_boxes.tensor = instances.gt_boxes.tensor.float()
    less, more = saved_mb(other, batch), saved_mb(plain, batch)
    assert less < 0.6 * more, (less, more)
    expected, found = gradients_and_losses(plain, batch), gradients_and_losses(other, batch)
    assert all(torch.equal(expected[name], found[name]) for name in found)


def test_mixed_precision_is_recomputed_in_the_same_precision(tiny_cfg, storage):
    plain = a_detector(tiny_cfg, TOWERS).float()
    other = copy.deepcopy(plain)
    recompute_activations(other)
    batch = a_batch()
    for x in batch:
        x["instances"].gt_boxes.tensor = x["instances"].gt_boxes.tensor.float()
    with torch.autocast("cpu", torch.bfloat16):
        expected, found = gradients_and_losses(plain, batch), gradients_and_losses(other, batch)
    assert all(torch.equal(expected[name], found[name]) for name in expected)


def test_random_numbers_are_drawn_once(tiny_cfg, storage):
    plain = a_detector(tiny_cfg, TOWERS)
    plain.head.cls_subnet.append(nn.Dropout(0.5))
    other = copy.deepcopy(plain)
    recompute_activations(other)
    batch, found = a_batch(), []
    for model in (plain, other):
        torch.manual_seed(3)
        found.append(gradients_and_losses(model, batch) | {"next number": torch.rand(())})
    assert all(torch.equal(found[0][name], found[1][name]) for name in found[0])


def test_norms_that_update_are_left_out(tiny_cfg, storage):
    plain = instantiate(tiny_cfg("model.backbone.bottom_up.norm=BN", TOWERS).model).train()
    other = copy.deepcopy(plain)
    assert recompute_activations(other) == 2  # the towers
    batch = a_batch(sizes=((64, 64), (64, 96)))
    for x in batch:
        x["instances"].gt_boxes.tensor = x["instances"].gt_boxes.tensor.float()
    for model in (plain, other):
        gradients_and_losses(model, batch)
    states = plain.state_dict(), other.state_dict()
    assert all(torch.equal(x, states[1][name]) for name, x in states[0].items())


def test_a_tower_whose_norms_count_levels_is_left_out(tiny_cfg, storage):
    """Its levels would be computed again in reverse order, each with the statistics of another."""
    plain = a_detector(tiny_cfg, TOWERS, "model.head.norm=BN", "model.head.bbox_norm=''")
    for norm in plain.head.modules():
        if isinstance(norm, nn.BatchNorm2d):
            norm.running_mean.normal_()
    freeze(plain, ["head.cls_subnet"])
    other = copy.deepcopy(plain)
    assert recompute_activations(other) == 2  # backbone and box tower
    batch = a_batch()
    expected, found = gradients_and_losses(plain, batch), gradients_and_losses(other, batch)
    assert all(torch.equal(expected[name], found[name]) for name in expected)


def test_a_tower_that_classes_and_boxes_share_is_one_part(tiny_cfg, storage):
    plain = a_detector(tiny_cfg, TOWERS)
    plain.head.bbox_subnet = plain.head.cls_subnet
    other, batch = copy.deepcopy(plain), a_batch()
    assert (recompute_activations(other), recompute_activations(other)) == (2, 0)  # backbone and tower, once
    expected, found = gradients_and_losses(plain, batch), gradients_and_losses(other, batch)
    assert all(torch.equal(expected[name], found[name]) for name in expected)


def test_a_detector_that_recomputes_is_optimized_for_inference_all_the_same(storage):
    model = a_resnet_detector("model.test_score_thresh=0.0")
    expected = optimize_for_inference(model)
    names = list(model.state_dict())
    recompute_activations(model)
    assert list(model.state_dict()) == names
    found = optimize_for_inference(model)
    assert [type(x).__name__ for x in found.modules()] == [type(x).__name__ for x in expected.modules()]
    undo_recomputing(model)
    assert type(model.backbone.bottom_up.res3) is nn.Sequential


def test_a_detector_that_recomputes_can_be_pickled():
    model = a_resnet_detector()
    assert recompute_activations(model) > 0
    again = pickle.loads(pickle.dumps(model))
    assert recompute_activations(again) == 0  # its parts do so already
    assert all(torch.equal(x, again.state_dict()[name]) for name, x in model.state_dict().items())


def test_a_run_has_the_same_metrics_with_accumulation_and_deterministic_operations(tmp_path):
    metrics = []
    for value in (False, True):
        overrides = ["train.accumulation=2", "train.deterministic=True", "model.backbone.bottom_up.norm=FrozenBN"]
        main(train_args(tmp_path / str(value), *overrides, f"train.activation_checkpointing={value}"))
        torch.use_deterministic_algorithms(False)
        lines = (tmp_path / str(value) / "metrics.json").read_text().splitlines()
        metrics.append(
            [{k: v for k, v in json.loads(x).items() if k.startswith("loss") or k == "grad_norm"} for x in lines]
        )
    assert metrics[0] == metrics[1] and any("loss_cls" in x for x in metrics[0])
