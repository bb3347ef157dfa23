"""A detector made faster: the detections of the detector itself, whatever the parts, layout, threshold and loss."""

import pickle

import pytest
import torch
from conftest import REAL_NET
from detectron2.config import instantiate
from detectron2.layers import FrozenBatchNorm2d, batched_nms
from detectron2.structures import Boxes, ImageList
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from retina_plugin.inference import optimize_for_inference
from retina_plugin.inference.candidates import best_detections, top_values
from retina_plugin.inference.probe import are_alike
from retina_plugin.modeling import OctaveAnchorGenerator, PluggableRetinaNet, PluggableRetinaNetHead
from retina_plugin.modeling.optimization.box_tower import box_layers
from retina_plugin.modeling.optimization.norms import fold_norms

SIZES = [(24, 20), (12, 10), (6, 5), (3, 3), (2, 2)]
SOFTMAX = "model.cls_loss=${losses.softmax_ce}"
LOSSES = pytest.mark.parametrize("loss", ["model.cls_loss=${losses.focal}", SOFTMAX], ids=["focal", "softmax"])


def detections(model, logits, deltas):
    images = ImageList(torch.zeros(len(logits[0]), 3, 192, 160), [(192, 160)] * len(logits[0]))
    features = [torch.zeros(1, 1, *size) for size in SIZES]
    return model.forward_inference(images, features, [logits, deltas])


def predictions(num_logits, shift, scale=1.0):
    rng = torch.Generator().manual_seed(0)
    logits = [shift + scale * torch.randn(2, 9 * num_logits, *size, generator=rng) for size in SIZES]
    return logits, [0.2 * torch.randn(2, 36, *size, generator=rng) for size in SIZES]


def assert_same(ours, plain):
    assert len(plain) > 0 and len(ours) == len(plain)
    assert torch.equal(ours.pred_classes, plain.pred_classes)
    assert torch.equal(ours.pred_boxes.tensor, plain.pred_boxes.tensor)
    torch.testing.assert_close(ours.scores, plain.scores, rtol=1e-6, atol=0)


def trained(cfg, scale=100):
    """A detector whose scores differ as those of a trained one do, and whose norms are not the identity."""
    torch.manual_seed(0)
    model = instantiate(cfg.model).eval()
    with torch.no_grad():
        model.head.cls_score.weight.mul_(scale)
        for norm in model.modules():
            if isinstance(norm, nn.BatchNorm2d | FrozenBatchNorm2d):
                norm.running_mean.normal_(0, 0.1)
                norm.running_var.uniform_(0.5, 2)
    return model


def images(*sizes):
    rng = torch.Generator().manual_seed(1)
    return [{"image": torch.randint(0, 256, (3, *size), generator=rng, dtype=torch.uint8)} for size in sizes]


def test_an_image_that_fails_in_the_tower_does_not_change_those_after_it(tiny_cfg, monkeypatch):
    """Every level has statistics of its own, and the box tower runs for candidates only."""
    head = ["model.head.conv_dims=[16,16]", "model.head.norm=BN", "model.head.bbox_norm=''"]
    fast = optimize_for_inference(trained(tiny_cfg(*head, "model.test_score_thresh=0.0")))
    assert box_layers(fast.head) is not None
    with torch.no_grad():
        expected = fast(images((96, 128)))[0]["instances"]
        with monkeypatch.context() as patch:
            patch.setattr(fast.head.cls_subnet[3], "forward", lambda x: 1 / 0)
            with pytest.raises(ZeroDivisionError):
                fast(images((96, 128)))
        assert_same(fast(images((96, 128)))[0]["instances"], expected)


@LOSSES
@pytest.mark.parametrize("score_thresh", [0.0, 0.05, 0.3])
@pytest.mark.parametrize("topk", [30, 1000, 100_000])
@pytest.mark.parametrize("shift", [-4.0, 0.0], ids=["few", "many"])
def test_the_same_logits_give_the_same_detections(tiny_cfg, loss, score_thresh, topk, shift):
    cfg = tiny_cfg(loss, f"model.test_score_thresh={score_thresh}", f"model.test_topk_candidates={topk}")
    model = instantiate(cfg.model).eval()
    fast = optimize_for_inference(model, "float32")
    logits, deltas = predictions(model.cls_loss.num_logits(3), shift, scale=2.0)
    ours = detections(fast, logits, deltas)
    laid_out = [[x.contiguous(memory_format=torch.channels_last) for x in levels] for levels in (logits, deltas)]
    channels_last = detections(fast, *laid_out)
    for of_image in zip(ours, channels_last, detections(model, logits, deltas), strict=True):
        assert_same(of_image[0], of_image[2])
        assert_same(of_image[1], of_image[2])


@LOSSES
def test_logits_that_are_no_numbers_leave_their_places_to_others(tiny_cfg, loss):
    model = instantiate(tiny_cfg(loss, "model.test_topk_candidates=30").model).eval()
    logits, deltas = predictions(model.cls_loss.num_logits(3), 0.0)
    logits[0].view(-1)[::20] = torch.nan
    ours, plain = (detections(x, logits, deltas) for x in (optimize_for_inference(model), model))
    for of_image in zip(ours, plain, strict=True):
        assert_same(*of_image)


@LOSSES
def test_an_image_without_a_score_above_the_threshold_has_no_detections(tiny_cfg, loss):
    model = optimize_for_inference(instantiate(tiny_cfg(loss, "model.test_score_thresh=0.99").model), "float32")
    assert [len(x) for x in detections(model, *predictions(model.cls_loss.num_logits(3), 0.0))] == [0, 0]


@LOSSES
@pytest.mark.parametrize("norm", ["FrozenBN", "BN"])
def test_images_have_the_same_detections_up_to_rounding(tiny_cfg, loss, norm):
    head = ["model.head.norm=GN", "model.head.conv_dims=[32]"]
    model = trained(tiny_cfg(loss, REAL_NET, f"model.backbone.bottom_up.norm={norm}", *head), scale=5)
    fast = optimize_for_inference(model, "float32")
    assert not [m for m in fast.backbone.bottom_up.modules() if isinstance(m, nn.BatchNorm2d | FrozenBatchNorm2d)]
    batch = images((128, 256), (128, 256))  # unpadded: scores of the padding tie
    batch[0] |= {"height": 256, "width": 512}
    with torch.no_grad():
        for a, b in zip(model(batch), fast(batch), strict=True):
            a, b = a["instances"], b["instances"]
            assert a.image_size == b.image_size and len(a) == len(b) > 10
            assert torch.equal(a.pred_classes, b.pred_classes)
            torch.testing.assert_close(b.scores, a.scores, rtol=0, atol=1e-5)
            torch.testing.assert_close(b.pred_boxes.tensor, a.pred_boxes.tensor, rtol=0, atol=1e-2)


def test_the_detector_itself_stays_as_it_is(tiny_cfg):
    model = trained(tiny_cfg()).train()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    fast = optimize_for_inference(model)
    assert type(model) is PluggableRetinaNet and model.training and not fast.training
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert all(p.requires_grad for p in model.head.parameters())
    fast.test_score_thresh = 0.99
    assert isinstance(fast, PluggableRetinaNet) and model.test_score_thresh != 0.99


def test_bfloat16_is_that_of_backbone_and_head_only(tiny_cfg):
    model = trained(tiny_cfg())
    fast = optimize_for_inference(model, "bfloat16")
    assert {p.dtype for part in (fast.backbone, fast.head) for p in part.parameters()} == {torch.bfloat16}
    with torch.no_grad():
        (found,), (expected,) = fast(images((64, 96))), model(images((64, 96)))
    scores = found["instances"].scores
    assert scores.dtype == found["instances"].pred_boxes.tensor.dtype == torch.float32
    torch.testing.assert_close(scores[:10], expected["instances"].scores[:10], rtol=0.05, atol=0.01)


def test_another_dtype_is_refused(tiny_cfg):
    with pytest.raises(ValueError, match=r"dtype must be one of \['auto', 'float32', 'bfloat16'\], got 'int8'"):
        optimize_for_inference(instantiate(tiny_cfg().model), "int8")


def test_what_it_does_not_know_is_returned_as_it_is(tiny_cfg, caplog):
    class Other(PluggableRetinaNet):
        def inference_single_image(self, *args):
            return super().inference_single_image(*args)

    model = instantiate(tiny_cfg().model)
    model.__class__ = Other
    with caplog.at_level("INFO"):
        assert optimize_for_inference(model) is model
        assert optimize_for_inference(linear := nn.Linear(1, 1)) is linear
    assert "Other overrides inference_single_image" in caplog.text
    assert "Linear is not a PluggableRetinaNet" in caplog.text


def test_a_detector_that_cannot_be_copied_is_returned_as_it_is(tiny_cfg, caplog):
    model = instantiate(tiny_cfg().model)
    model.head.last_loss = model.head.cls_score.weight.sum()  # has a graph
    assert optimize_for_inference(model) is model
    assert "cannot be copied: Only Tensors created explicitly" in caplog.text


class _BeforeActivation(PluggableRetinaNetHead):
    """Takes logits from what the first convolution of the tower gives to its activation."""

    def forward(self, features):
        deltas = [self.bbox_pred(self.bbox_subnet(feature)) for feature in features]
        return [self.cls_score(self.cls_subnet[0](feature)) for feature in features], deltas


def test_a_detector_that_would_give_other_outputs_is_returned_as_it_is(tiny_cfg, caplog):
    model = trained(tiny_cfg())
    model.head.__class__ = _BeforeActivation
    assert optimize_for_inference(model) is model
    assert "its outputs for an image of noise would be others" in caplog.text


def test_a_detector_that_stops_at_noise_is_returned_as_it_is(tiny_cfg, caplog, monkeypatch):
    model = trained(tiny_cfg())
    monkeypatch.setattr(type(model.head), "forward", lambda self, features: 1 // 0)
    assert optimize_for_inference(model) is model
    assert "an image of noise ends in ZeroDivisionError" in caplog.text


def test_outputs_that_are_alike():
    wanted = torch.randn(1, 9, 4, 4, generator=torch.Generator().manual_seed(0)) - 5
    assert are_alike([wanted], [wanted * (1 + 1e-5)]) and are_alike([wanted * torch.nan], [wanted])
    assert not are_alike([wanted], [wanted + 0.2]) and not are_alike([wanted], [wanted * torch.nan])
    assert are_alike([torch.full((1, 2), -4.6)], [torch.full((1, 2), -4.6001)])


def test_parts_that_inference_does_not_change_are_shared(tiny_cfg):
    model = instantiate(tiny_cfg().model).train()
    model.cls_loss.last = model.head.cls_score.weight.sum()
    fast = optimize_for_inference(model)
    assert fast.cls_loss is model.cls_loss and model.cls_loss.training
    assert fast.head is not model.head and not fast.head.training


def test_an_optimized_detector_changes_its_format_and_can_be_pickled(tiny_cfg):
    fast = optimize_for_inference(trained(tiny_cfg()))
    half = optimize_for_inference(fast, "bfloat16")
    assert {p.dtype for p in half.head.parameters()} == {torch.bfloat16}
    assert {p.dtype for p in fast.head.parameters()} == {torch.float32}
    fast.itself = [fast]  # as a hook does that is a method of the detector
    again = pickle.loads(pickle.dumps(fast))
    with torch.no_grad():
        (expected,), (found,) = fast(images((64, 96))), again(images((64, 96)))
    assert torch.equal(found["instances"].scores, expected["instances"].scores)
    assert type(again).__mro__[1:] == type(fast).__mro__[1:] and again.itself[0] is again


def test_a_subclass_keeps_what_it_overrides(tiny_cfg):
    class Darker(PluggableRetinaNet):
        def preprocess_image(self, batched_inputs):
            return super().preprocess_image([x | {"image": x["image"] // 2} for x in batched_inputs])

    model = trained(tiny_cfg())
    model.__class__ = Darker
    with torch.no_grad():
        (found,), (expected,) = optimize_for_inference(model, "float32")(images((64, 96))), model(images((64, 96)))
    torch.testing.assert_close(found["instances"].scores, expected["instances"].scores, rtol=0, atol=1e-5)


class _MovedAnchors(OctaveAnchorGenerator):
    """Moves anchors by what the features say."""

    def forward(self, features):
        return [Boxes(x.tensor + 100 * f.mean()) for x, f in zip(super().forward(features), features, strict=True)]


@pytest.mark.parametrize("generator", [OctaveAnchorGenerator, _MovedAnchors])
def test_anchors_follow_the_images(tiny_cfg, generator):
    model = trained(tiny_cfg())
    model.anchor_generator.__class__ = generator
    fast = optimize_for_inference(model, "float32")
    for image in images((64, 96), (64, 96), (96, 64), (128, 128)):
        with torch.no_grad():
            (found,), (expected,) = fast([image]), model([image])
        boxes, others = found["instances"].pred_boxes.tensor, expected["instances"].pred_boxes.tensor
        torch.testing.assert_close(boxes, others, rtol=0, atol=1e-2)


class Doubled(nn.Sequential):
    def forward(self, x):
        y = self[0](x)
        return y + self[1](y)


class Standardized(nn.Conv2d):
    def forward(self, x):
        return nn.functional.conv2d(x, self.weight - self.weight.mean(), self.bias)


def conv_and_norm():
    return nn.Conv2d(4, 4, 1), nn.BatchNorm2d(4)


def hooked(module):
    module.register_forward_hook(lambda *args: None)
    return module


def shared_convolution():
    conv, norm = conv_and_norm()
    return nn.ModuleList([nn.Sequential(conv, norm), nn.Sequential(conv, nn.BatchNorm2d(4))])


def shared_relu():
    conv, norm = conv_and_norm()
    relu = nn.ReLU()
    return nn.Sequential(nn.Conv2d(4, 4, 1), relu, conv, relu, norm)


KEPT = {
    "something between": lambda conv, norm: nn.Sequential(conv, nn.ReLU(), norm),
    "group norm": lambda conv, norm: nn.Sequential(conv, nn.GroupNorm(2, 4)),
    "no statistics": lambda conv, norm: nn.Sequential(conv, nn.BatchNorm2d(4, track_running_stats=False)),
    "a ReLU used twice": lambda conv, norm: shared_relu(),
    "a convolution used twice": lambda conv, norm: shared_convolution(),
    "a norm used twice": lambda conv, norm: nn.ModuleList([nn.Sequential(conv, norm), norm]),
    "another forward": lambda conv, norm: Doubled(conv, norm),
    "another convolution": lambda conv, norm: nn.Sequential(Standardized(4, 4, 1), norm),
    "a parametrization": lambda conv, norm: nn.Sequential(nn.utils.parametrizations.spectral_norm(conv), norm),
    "a hook": lambda conv, norm: nn.Sequential(hooked(conv), norm),
}


@pytest.mark.parametrize("build", KEPT.values(), ids=KEPT)
def test_norms_that_cannot_be_folded_stay(build):
    module = build(*conv_and_norm()).eval()
    assert fold_norms(module) == 0


def test_norms_that_learn_stay():
    module = nn.Sequential(*conv_and_norm())
    assert fold_norms(module) == 0
    assert fold_norms(module.eval()) == 1


@settings(max_examples=100, deadline=None)
@given(st.integers(1, 9000), st.integers(1, 130), st.integers(1, 40), st.integers(0, 9))
def test_the_highest_values_are_found_among_ties_too(number, most, distinct, seed):
    rng = torch.Generator().manual_seed(seed)
    flat = torch.randint(0, distinct * 50, (number,), generator=rng).float()
    values, places = top_values(flat, most)
    assert torch.equal(values, flat.topk(min(most, number))[0])
    assert torch.equal(flat[places], values) and len(places.unique()) == len(places)


@pytest.mark.parametrize("number", [0, 1, 900, 1500, 4000])
@pytest.mark.parametrize("spread", [1.0, 20.0, 2000.0], ids=["nearly all suppressed", "some", "hardly any"])
@pytest.mark.parametrize("num_classes", [1, 12])
def test_suppression_that_stops_early_keeps_the_same(number, spread, num_classes):
    rng = torch.Generator().manual_seed(number)
    corners = spread * torch.rand(number, 2, generator=rng)
    boxes = torch.cat([corners, corners + 10 + 5 * torch.rand(number, 2, generator=rng)], dim=1)
    scores = torch.randint(1, 500, (number,), generator=rng) / 500  # with ties
    classes = torch.randint(num_classes, (number,), generator=rng)
    for most in (1, 100, 5000):
        expected = batched_nms(boxes, scores, classes, 0.5)[:most]
        assert torch.equal(scores[best_detections(boxes, scores, classes, 0.5, most)], scores[expected])
        if most == 5000:
            found = best_detections(boxes, scores, classes, 0.5, most)
            assert torch.equal(found.sort()[0], expected.sort()[0])
