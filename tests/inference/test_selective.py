"""The box tower where candidates are: the outputs of the whole tower, at the border and over several images too."""

from unittest.mock import patch

import pytest
import torch
from conftest import REAL_NET
from detectron2.config import instantiate
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from retina_plugin.inference import optimize_for_inference, selective


def tower(depth, channels=4):
    torch.manual_seed(depth)
    layers = [x for _ in range(depth) for x in (nn.Conv2d(channels, channels, 3, padding=1), nn.ReLU())]
    return nn.Sequential(*layers), nn.Conv2d(channels, 6, 3, padding=1)


@settings(max_examples=60, deadline=None)
@given(
    st.integers(0, 4),
    st.integers(1, 70),
    st.integers(1, 70),
    st.lists(st.lists(st.floats(0, 0.9999), max_size=6), min_size=1, max_size=3),
)
def test_outputs_are_those_of_the_whole_tower(depth, height, width, wanted):
    layers = selective.tower_layers(*tower(depth))
    feature = torch.randn(len(wanted), 4, height, width)
    locations = [torch.tensor([int(x * height * width) for x in own], dtype=torch.int64) for own in wanted]
    with torch.no_grad():
        whole = nn.Sequential(*layers)(feature).flatten(2)
        for worth in (selective._WORTH, 1e9):  # as it decides, and always in squares
            with patch.object(selective, "_WORTH", worth):
                found = selective.outputs_at(layers, feature, locations)
            for i, own in enumerate(locations):
                torch.testing.assert_close(found[i], whole[i][:, own].T, rtol=1e-5, atol=1e-5)


def test_few_locations_are_computed_alone_and_many_with_the_whole_level(monkeypatch):
    layers = selective.tower_layers(*tower(4))
    feature, calls = torch.randn(1, 4, 100, 160), []
    in_squares = selective._in_squares
    monkeypatch.setattr(selective, "_in_squares", lambda *args: calls.append(len(args[2])) or in_squares(*args))
    selective.outputs_at(layers, feature, [torch.tensor([5, 6, 15_999])])
    assert calls == [2]
    selective.outputs_at(layers, feature, [torch.arange(16_000)])
    assert calls == [2]


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
    last.register_forward_hook(lambda *args: None)
    assert selective.tower_layers(layers, last) is None


@pytest.mark.parametrize("shift", [-2.0, -6.0], ids=["more", "fewer"])
def test_a_detector_has_the_same_detections(tiny_cfg, shift):
    torch.manual_seed(0)
    model = instantiate(tiny_cfg(REAL_NET, "model.head.conv_dims=[16,16]").model).eval()
    with torch.no_grad():
        model.head.cls_score.weight.mul_(300)
        model.head.cls_score.bias.add_(shift)
        model.head.bbox_pred.weight.mul_(100)
    fast = optimize_for_inference(model, "float32")
    assert fast._box_layers() is not None
    batch = [{"image": torch.randint(0, 256, (3, 256, 512), dtype=torch.uint8)} for _ in range(2)]
    with torch.no_grad():
        for a, b in zip(model(batch), fast(batch), strict=True):
            a, b = a["instances"], b["instances"]
            assert len(a) == len(b) > 0
            torch.testing.assert_close(b.scores, a.scores, rtol=0, atol=1e-5)
            near = (a.pred_boxes.tensor[:, None] - b.pred_boxes.tensor).abs().amax(2) < 1e-2
            same = near & (a.pred_classes[:, None] == b.pred_classes)  # scores that nearly tie may change places
            assert same.any(0).all() and same.any(1).all()
