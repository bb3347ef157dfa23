"""The fast IoU beside Detectron2's, and a search whose overrides give what it reports."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from anchor_images import image_with
from conftest import QUICK, TINY
from detectron2.structures import Boxes, pairwise_iou
from hypothesis import given, settings
from hypothesis import strategies as st

from retina_plugin.analysis.anchors import search as module
from retina_plugin.analysis.anchors.analyze import analyze
from retina_plugin.analysis.anchors.boxes import load_boxes
from retina_plugin.analysis.anchors.detector import AnchorDetector
from retina_plugin.analysis.anchors.layouts import check_levels, current_layout, layout_overrides, with_overrides
from retina_plugin.analysis.anchors.page import write_summary
from retina_plugin.analysis.anchors.search import search, split_images
from retina_plugin.analysis.anchors.shapes import GridBoxes, Layout
from retina_plugin.commands.analysis.analyze_anchors import analyze_anchors
from retina_plugin.config import ConfigError, get_config
from retina_plugin.data import DataError
from retina_plugin.modeling import OctaveAnchorGenerator

SMALL = "synthetic.object_size=[8,14]"
SIDE = st.floats(1, 90)


@settings(max_examples=40, deadline=None)
@given(
    boxes=st.lists(st.tuples(st.floats(0, 100), st.floats(0, 70), SIDE, SIDE), min_size=1, max_size=4),
    scale=st.floats(0.5, 8),
    scales=st.integers(1, 3),
    octaves=st.integers(1, 2),
    ratios=st.lists(st.floats(0.2, 5), min_size=1, max_size=3),
    offset=st.sampled_from([0.0, 0.5]),
)
def test_the_fast_iou_is_that_of_the_best_anchor(boxes, scale, scales, octaves, ratios, offset):
    layout, height, width = Layout(("p3", "p5"), scale, scales, tuple(ratios), octaves), 72, 104
    generator = OctaveAnchorGenerator(
        strides=[8, 32],
        octave_base_scale=scale,
        scales_per_octave=scales,
        num_octaves=octaves,
        aspect_ratios=ratios,
        offset=offset,
    )
    maps = [torch.zeros(1, 1, -(-height // s), -(-width // s)) for s in (8, 32)]
    xyxy = torch.tensor([[x, y, x + w, y + h] for x, y, w, h in boxes])
    expected = pairwise_iou(Boxes(xyxy), Boxes.cat(generator(maps))).amax(1).numpy()
    padded = np.tile([height, width], (len(boxes), 1))
    grid = GridBoxes(xyxy.double().numpy(), padded, np.zeros(len(boxes), int), offset)
    np.testing.assert_allclose(grid.best_iou(layout), expected, atol=2e-5)
    assert layout.locations((height, width)) == sum(x.shape[-1] * x.shape[-2] for x in maps)
    assert layout.per_location == generator.num_cell_anchors[0]


def test_classes_weigh_the_same():
    boxes = np.array([[0, 0, 8, 8.0]] * 4)
    grid = GridBoxes(boxes, np.full((4, 2), 64), np.array([0, 2, 2, 2]), 0.0)
    np.testing.assert_allclose(grid.weights, [1 / 2, 1 / 6, 1 / 6, 1 / 6])


@pytest.fixture
def quick_search(monkeypatch):
    """A search of seconds."""
    monkeypatch.setattr(module, "_POPULATION", 2)
    monkeypatch.setattr(module, "_GENERATIONS", 12)


def test_what_is_found_matches_more_with_no_more_anchors_and_its_overrides_give_it(tiny_cfg, quick_search, tmp_path):
    cfg = tiny_cfg(SMALL)
    result = analyze_anchors(cfg, tmp_path, searching=True, num_pictures=1)
    now, found = result.analyses["now"], result.analyses["found"]
    assert found.recall.all_boxes.reachable > now.recall.all_boxes.reachable == 0
    assert found.anchors <= now.anchors and found.locations <= now.locations
    content = json.loads((tmp_path / "anchors.json").read_text())
    pasted = get_config(QUICK, [*TINY, SMALL, *content["search"]["overrides"]])
    again = analyze(pasted, load_boxes(pasted))
    assert again.recall.all_boxes.reachable == content["analyses"]["found"]["recall"]["all_boxes"]["reachable"]
    assert again.recall.anchors_by_level == found.recall.anchors_by_level
    _, rest = split_images(result.boxes.images)
    assert content["search"]["held_out"][0]["boxes"] == sum(len(x.instances) for x in rest)
    page, text = (tmp_path / "anchors.html").read_text(), write_summary(result)
    for override in result.found.overrides:
        assert override in page and override in text
    before, after = (row["mean_iou"] for row in content["search"]["held_out"])
    sentence = f"the mean best IoU rises from {before:.2f} to {after:.2f}"
    assert sentence in page and sentence in text and "only a training shows" in text
    meaning = "untrained: no foreground anchor at all"
    assert meaning in page and meaning in text and "pixels of the original image" in text
    worse = write_summary(replace(result, found=replace(result.found, value_validation=(0.9, 0.8))))
    assert "whose IoU with the boxes is higher" not in worse and "fewer anchors, as asked for" in worse
    assert page.count("data:image/jpeg") == 2 and page.count("data:image/svg") == 6


def test_a_search_is_reproducible_and_leaves_good_anchors_alone(tiny_cfg, quick_search):
    cfg = tiny_cfg(SMALL)
    images, detector = load_boxes(cfg).images, AnchorDetector(cfg)
    first, second = (search(cfg, detector, images, max_anchors=300) for _ in range(2))
    assert first == second and first.layout.per_location * first.layout.locations((64, 64)) <= 300
    with pytest.raises(ConfigError, match="--max-anchors 3 is less"):
        search(cfg, detector, images, ["p3"], max_anchors=3)
    only = Layout(("p3",), 4.0, 1, (1.0,))
    cfg = with_overrides(cfg, layout_overrides(cfg, current_layout(cfg, detector), only))
    perfect = [image_with([[16.0, 16, 48, 48]], [0], (64, 64)) for _ in range(3)]
    found = search(cfg, AnchorDetector(cfg), perfect)
    assert found.now == found.layout == only and found.overrides == []
    with pytest.raises(ConfigError, match="--max-anchors 64 is less than any anchors on p2 need"):  # as many as now
        search(cfg, AnchorDetector(cfg), perfect, ["p2"])


def test_a_finer_level_is_given_by_the_backbone(tiny_cfg):
    cfg = tiny_cfg()
    now = current_layout(cfg, AnchorDetector(cfg))
    new = Layout(("p2", "p3"), 2.5, 1, (0.7, 1.4))
    overrides = layout_overrides(cfg, now, new)
    assert overrides[0] == "model.backbone.in_features=[res2,res3,res4,res5]"
    assert current_layout(with_overrides(cfg, overrides), AnchorDetector(with_overrides(cfg, overrides))) == new
    cfg.model.anchor_generator.aspect_ratios = [[0.7, 1.4]] * 5  # by level, as Detectron2 takes them
    assert current_layout(cfg, AnchorDetector(cfg)).per_location == 3 * 2
    resnet = get_config("COCO-Detection/retinanet_R_50_FPN_1x.py")
    overrides = layout_overrides(resnet, now, new)
    assert "model.backbone.bottom_up.out_features=[res2,res3,res4,res5]" in overrides


def test_levels_and_data_that_do_not_allow_a_search_are_named(tiny_cfg):
    cfg = tiny_cfg()
    assert check_levels(["p4", "p3"]) == ("p3", "p4")
    for levels in (["p3", "p5"], ["res3"]):
        with pytest.raises(ConfigError, match="neighbouring levels"):
            check_levels(levels)
    with pytest.raises(DataError, match="needs 3 or more images"):
        split_images([image_with([[0.0, 0, 8, 8]], [0])] * 2)
    for levels in (["p9"], ["p7", "p8"]):
        with pytest.raises(ConfigError, match=f"--levels {' '.join(levels)}: the pyramid of this config ends with p"):
            search(cfg, AnchorDetector(cfg), load_boxes(cfg).images, levels)
    for most in (0.0, -1.0, float("nan")):
        with pytest.raises(ConfigError, match=f"--max-anchors {most:g} must be above 0"):
            search(cfg, AnchorDetector(cfg), load_boxes(cfg).images, max_anchors=most)
    with pytest.raises((ConfigError, ValueError), match="res0"):
        search(cfg, AnchorDetector(cfg), load_boxes(cfg).images, ["p0", "p1"])
