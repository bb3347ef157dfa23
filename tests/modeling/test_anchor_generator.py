import pytest
import torch
from detectron2.modeling.anchor_generator import DefaultAnchorGenerator
from omegaconf import ListConfig

from retina_plugin.modeling import OctaveAnchorGenerator, feature_strides, num_cell_anchors

STRIDES = [8, 16, 32, 64, 128]


def test_the_defaults_are_upstreams_table():
    sizes = [[x, x * 2 ** (1.0 / 3), x * 2 ** (2.0 / 3)] for x in [32, 64, 128, 256, 512]]
    theirs = DefaultAnchorGenerator(sizes=sizes, aspect_ratios=[0.5, 1.0, 2.0], strides=STRIDES, offset=0.0)
    ours = OctaveAnchorGenerator(strides=ListConfig(STRIDES))
    features = [torch.zeros(1, 1, 256 // s, 192 // s) for s in STRIDES]
    for a, b in zip(theirs(features), ours(features), strict=True):
        assert torch.equal(a.tensor, b.tensor)
    assert num_cell_anchors(ours) == 9


def test_anchors_have_the_given_sizes_and_ratios():
    (anchors,) = OctaveAnchorGenerator(
        strides=[16], octave_base_scale=2, scales_per_octave=2, aspect_ratios=[0.5, 2.0]
    ).cell_anchors
    width, height = (anchors[:, 2:] - anchors[:, :2]).unbind(1)
    torch.testing.assert_close((width * height).sqrt(), torch.tensor([32.0, 32, 45.2548, 45.2548]))
    torch.testing.assert_close(height / width, torch.tensor([0.5, 2.0, 0.5, 2.0]))


def test_one_level_with_five_octaves_has_the_anchors_of_five_levels():
    levels = OctaveAnchorGenerator(strides=STRIDES).cell_anchors
    (one,) = OctaveAnchorGenerator(strides=[8], num_octaves=5).cell_anchors
    torch.testing.assert_close(one, torch.cat([*levels]))


def test_levels_with_different_numbers_are_refused():
    uneven = DefaultAnchorGenerator(sizes=[[32], [64, 90]], aspect_ratios=[1.0], strides=[8, 16])
    with pytest.raises(ValueError, match=r"\[1, 2\] anchors per location"):
        num_cell_anchors(uneven)


def test_strides_follow_level_names():
    assert feature_strides(["p2", "p3", "p7"]) == [4, 8, 128]
    assert feature_strides(["res4"]) == [16]
    with pytest.raises(ValueError, match="stride of the level 'stem' is unknown"):
        feature_strides(["p3", "stem"])


@pytest.mark.parametrize(
    "setting",
    [
        {"octave_base_scale": 0},
        {"scales_per_octave": 0},
        {"num_octaves": 0},
        {"aspect_ratios": [1.0, -1.0]},
        {"aspect_ratios": []},
        {"offset": 1.0},
    ],
)
def test_values_out_of_range_name_the_key(setting):
    with pytest.raises(ValueError, match=f"model.anchor_generator.{[*setting][0]}"):
        OctaveAnchorGenerator(strides=STRIDES, **setting)
