"""The box tower at some locations: outputs and gradients of the whole tower, at borders and on several levels too."""

from unittest.mock import patch

import pytest
import torch
from conftest import REAL_NET
from detectron2.config import instantiate
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from retina_plugin.inference import optimize_for_inference
from retina_plugin.modeling.optimization import selective
from retina_plugin.modeling.optimization.box_tower import box_layers


def tower(depth, channels=4):
    torch.manual_seed(depth)
    layers = [x for _ in range(depth) for x in (nn.Conv2d(channels, channels, 3, padding=1), nn.ReLU())]
    return nn.Sequential(*layers), nn.Conv2d(channels, 6, 3, padding=1)


def a_pyramid(num_images, height, width, dtype=torch.float64):
    """Three levels with gradients, each half as large as the one before."""
    sizes = [(-(-height // 2**i), -(-width // 2**i)) for i in range(3)]
    return [torch.randn(num_images, 4, *size, dtype=dtype, requires_grad=True) for size in sizes]


def places_of(features, wanted):
    """Places from (level, image, part of the map) with numbers below 1."""
    rows = []
    for level, image, part in wanted:
        feature = features[int(level * len(features))]
        rows.append([int(level * len(features)), int(image * len(feature)), int(part * feature[0, 0].numel())])
    return selective.Places(*torch.tensor(rows, dtype=torch.int64).reshape(-1, 3).T)


def whole_outputs(layers, features, places):
    rows = [nn.Sequential(*layers)(feature).flatten(2) for feature in features]
    found = [rows[level][image, :, location] for level, image, location in zip(*places, strict=True)]
    return torch.stack(found) if found else sum(x.sum() * 0 for x in rows) + torch.zeros(0, 6, dtype=rows[0].dtype)


UNIT = st.floats(0, 0.9999)


@settings(max_examples=60, deadline=None)
@given(
    st.integers(0, 4),
    st.integers(1, 3),
    st.integers(1, 70),
    st.integers(1, 70),
    st.lists(st.tuples(UNIT, UNIT, UNIT), max_size=20),
)
def test_outputs_and_gradients_are_those_of_the_whole_tower(depth, num_images, height, width, wanted):
    layers = [layer.double() for layer in selective.tower_layers(*tower(depth))]
    features = a_pyramid(num_images, height, width)
    places = places_of(features, wanted)
    leaves = [*features, *nn.Sequential(*layers).parameters()]
    whole = whole_outputs(layers, features, places)
    weights = torch.randn(whole.shape, dtype=whole.dtype)
    expected = torch.autograd.grad((whole * weights).sum(), leaves, materialize_grads=True)
    for worth in (selective._WORTH, 1e9, 0):  # as it decides, always in squares, never
        with patch.object(selective, "_WORTH", worth):
            found = selective.outputs_at(layers, features, places)
        torch.testing.assert_close(found, whole, rtol=1e-9, atol=1e-9)
        actual = torch.autograd.grad((found * weights).sum(), leaves, allow_unused=True)
        for a, b in zip(actual, expected, strict=True):
            torch.testing.assert_close(torch.zeros_like(b) if a is None else a, b, rtol=1e-9, atol=1e-9)
        assert all(x is not None for x in actual[len(features) :])  # parameters take part, even if nothing is wanted


def test_features_that_are_not_finite_do_not_reach_other_images():
    layers = selective.tower_layers(*tower(4))
    features = [torch.randn(2, 4, 64, 64)]
    features[0][0] = float("nan")
    places = selective.Places(*(torch.tensor([x]) for x in (0, 1, 0)))
    assert selective.outputs_at(layers, features, places).isfinite().all()


def test_few_locations_are_computed_in_squares_and_many_with_the_whole_level(monkeypatch):
    layers = selective.tower_layers(*tower(4))
    feature, calls = torch.randn(1, 4, 100, 160), []
    in_squares = selective._in_squares
    monkeypatch.setattr(selective, "_in_squares", lambda *args: calls.append(args[2:]) or in_squares(*args))

    def compute(*locations):
        location = torch.tensor(locations)
        selective.outputs_at(layers, [feature], selective.Places(location * 0, location * 0, location))

    compute(5, 6, 15_999)
    compute(*range(16_000))
    assert [(len(places.location), side) for places, side in calls] == [(3, 4)]


@pytest.mark.parametrize(
    "layer",
    [
        nn.GroupNorm(2, 4),
        nn.Conv2d(4, 4, 3, padding=1, stride=2),
        nn.Conv2d(4, 4, 3),
        nn.Conv2d(4, 4, 3, padding=2, dilation=2),
        nn.Conv2d(4, 4, 3, padding=1, padding_mode="reflect"),
        nn.BatchNorm2d(4),
    ],
    ids=lambda x: str(x)[:40],
)
def test_layers_that_see_more_are_left_whole(layer):
    last = nn.Conv2d(4, 6, 3, padding=1)
    assert selective.tower_layers(nn.Sequential(layer), last) is None
    assert selective.tower_layers(layer, last) is None


def test_a_tower_of_another_class_or_with_a_hook_is_left_whole():
    class Residual(nn.Sequential):
        def forward(self, x):
            return x + super().forward(x)

    layers, last = tower(1)
    assert selective.tower_layers(layers, last) is not None
    assert selective.tower_layers(Residual(*layers), last) is None
    for register in (
        last.register_forward_hook,
        last.register_full_backward_hook,
        layers[0].register_full_backward_pre_hook,
    ):
        handle = register(lambda *args: None)
        assert selective.tower_layers(layers, last) is None
        handle.remove()


@pytest.mark.parametrize("shift", [-2.0, -6.0], ids=["more", "fewer"])
def test_a_detector_has_the_same_detections(tiny_cfg, shift):
    torch.manual_seed(0)
    model = instantiate(tiny_cfg(REAL_NET, "model.head.conv_dims=[16,16]").model).eval()
    with torch.no_grad():
        for layer in model.head.modules():
            if isinstance(layer, nn.Conv2d):
                nn.init.kaiming_normal_(layer.weight)
        model.head.cls_score.weight.mul_(200)  # scores far apart: of nearly equal ones, NMS keeps either
        model.head.cls_score.bias.add_(shift)
        model.head.bbox_pred.weight.mul_(30)
    fast = optimize_for_inference(model, "float32")
    assert box_layers(fast.head) is not None
    batch = [{"image": torch.randint(0, 256, (3, 256, 512), dtype=torch.uint8)} for _ in range(2)]
    with torch.no_grad():
        for a, b in zip(model(batch), fast(batch), strict=True):
            a, b = a["instances"], b["instances"]
            assert len(a) == len(b) > 0
            torch.testing.assert_close(b.scores, a.scores, rtol=0, atol=1e-5)
            near = (a.pred_boxes.tensor[:, None] - b.pred_boxes.tensor).abs().amax(2) < 1e-2
            same = near & (a.pred_classes[:, None] == b.pred_classes)  # scores that nearly tie may change places
            assert same.any(0).all() and same.any(1).all()
