"""Boxes at training size, their assignment, recall and the AP ceiling, beside the detector's own and closed forms."""

from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from anchor_images import image_with
from conftest import QUICK, TINY
from detectron2.config import LazyCall as L
from detectron2.config import instantiate
from detectron2.data import DatasetCatalog
from detectron2.data import transforms as T

from retina_plugin.analysis.anchors.assignment import assign
from retina_plugin.analysis.anchors.boxes import load_boxes, resized_boxes, resizing
from retina_plugin.analysis.anchors.ceiling import measure_ceiling
from retina_plugin.analysis.anchors.detector import AnchorDetector, padded_size
from retina_plugin.analysis.anchors.pictures import choose_images
from retina_plugin.analysis.anchors.recall import Row, measure_recall, recall_over_side
from retina_plugin.analysis.anchors.tables import verdict
from retina_plugin.config import ConfigError, get_config
from retina_plugin.data import DataError
from retina_plugin.evaluation import build_annotated_loader

CLASSES = ("circle", "square", "triangle")
ANCHOR = [48.0, 48, 80, 80]  # the smallest square of p3 at (64, 64)


@pytest.fixture(scope="module")
def detector():
    return AnchorDetector(get_config(QUICK, TINY))


def test_boxes_are_those_that_the_mapper_gives(tiny_cfg):
    cfg = tiny_cfg()
    cfg.dataloader.test.mapper.augmentations = [L(T.ResizeShortestEdge)(short_edge_length=97, max_size=200)]
    ours = load_boxes(cfg, "test")
    theirs = [x for batch in build_annotated_loader(cfg) for x in batch]
    assert ours.resizing == "the shorter side is 97 pixels, the longer one at most 200"
    for image, inputs in zip(ours.images, theirs, strict=True):
        assert image.size == inputs["image"].shape[-2:]
        assert torch.equal(image.instances.gt_boxes.tensor, inputs["instances"].gt_boxes.tensor)
        assert torch.equal(image.instances.gt_classes, inputs["instances"].gt_classes)
        original = torch.tensor([np.prod(a["bbox"][2:]) for a in image.entry["annotations"]])
        torch.testing.assert_close(image.areas, original.float())


def test_a_random_resize_becomes_its_median(tiny_cfg):
    cfg = tiny_cfg()
    cfg.dataloader.train.mapper.augmentations = [
        L(T.ResizeShortestEdge)(short_edge_length=[160, 64, 96], max_size=200, sample_style="choice"),
        L(T.RandomBrightness)(intensity_min=0.9, intensity_max=1.1),
        L(T.RandomFlip)(),
    ]
    boxes = load_boxes(cfg, max_images=3)
    assert {x.size for x in boxes.images} == {(96, 96)} and boxes.num_images == 8 and len(boxes.images) == 3
    assert boxes.resizing.startswith("the shorter side is 96 pixels (the median of [64, 96, 160])")
    assert boxes.resizing.endswith("; left out: RandomBrightness")


def test_a_chain_of_resizes():
    resize, words = resizing([T.RandomFlip(), T.Resize((50, 60)), T.ResizeShortestEdge(100, 110)])
    assert resize((20, 30)) == (92, 110)
    assert words.startswith("all images are resized to 50 x 60 pixels; the shorter side is 100")
    assert resizing([T.ResizeShortestEdge(0)])[0]((20, 30)) == (20, 30)


def test_sizes_in_floating_point_are_those_in_integers(detector):
    entry = image_with([[10, 10, 42, 42]], [1]).entry
    for height, width in ((64, 96), (64.0, 96.0)):
        image = resized_boxes(entry | {"height": height, "width": width}, lambda size: size)
        assert assign(detector, [image]).anchors.tolist()[:2] == [8 * 12 * 9, 4 * 6 * 9]


def test_crowds_are_left_out_and_data_without_boxes_refused(tiny_cfg):
    cfg = tiny_cfg()
    entries = instantiate(cfg.dataloader.train.dataset)
    number = sum(len(x["annotations"]) for x in entries)
    entries[0]["annotations"][0]["iscrowd"] = 1
    DatasetCatalog.register("with_a_crowd", lambda: entries)
    try:
        cfg.dataloader.train.dataset.names = "with_a_crowd"
        found = load_boxes(cfg)
        assert found.left_out == 1 and sum(len(x.instances) for x in found.images) == number - 1
        entries[:] = [entries[0] | {"annotations": []}]
        with pytest.raises(DataError, match="has no box to match"):
            load_boxes(cfg)
    finally:
        DatasetCatalog.remove("with_a_crowd")


def test_foreground_is_what_training_labels(detector, tiny_cfg):
    images = load_boxes(tiny_cfg()).images
    found = assign(detector, images)
    for place, image in enumerate(images):
        anchors = detector.anchors(image.size)
        labels = detector.model.assign_labels(anchors, [image.instances]).labels[0]
        is_foreground = (labels >= 0) & (labels < 3)
        by_level = [int(x.sum()) for x in is_foreground.split([len(x) for x in anchors])]
        assert found.foreground[found.image == place].sum(0).tolist() == by_level
    assert found.anchors.tolist() == [8 * 9 * side**2 for side in (8, 4, 2, 1, 1)]


def test_a_box_is_matched_by_its_anchor_or_by_its_best_one_or_crowded_out(detector):
    far = [4.0, 100, 10, 106]  # smaller than any anchor
    image = image_with([ANCHOR, ANCHOR, far], [0, 1, 2])  # of equal boxes, the first one takes the anchors
    found = assign(detector, [image])
    assert found.best_iou[:2].tolist() == [1, 1] and found.best_level.tolist() == [0, 0, 0]
    assert found.reachable.tolist() == [True, True, False]
    assert found.own.tolist() == [True, False, False]
    assert found.low_quality_only.tolist() == [False, False, True]
    assert found.crowded_out.tolist() == [False, True, False]
    assert found.strict[2].sum() == 0 < found.lenient[2].sum()
    without = replace(found, allows_low_quality=False)  # as with such a matcher
    assert without.own.tolist() == [True, False, False] and not without.low_quality_only.any()


def test_rows_count_shares_of_their_boxes(detector):
    image = image_with([ANCHOR, [4.0, 100, 10, 106], [20.0, 20, 20 + 100, 20 + 100]], [0, 0, 1])
    found = assign(detector, [image, image_with([], [])])
    recall = measure_recall(found, 2, CLASSES, detector.levels)
    assert [(x.name, x.boxes, x.reachable) for x in recall.by_class] == [("circle", 2, 0.5), ("square", 1, 1.0)]
    assert [(x.name, x.boxes) for x in recall.by_size] == [("small", 1), ("medium", 1), ("large", 1)]
    assert recall.all_boxes.own == pytest.approx(2 / 3) and recall.all_boxes.untrained == 0
    assert recall.anchors_by_level == {f"p{i}": 9 * (128 / 2**i) ** 2 for i in range(3, 8)}
    assert sum(recall.foreground_by_level.values()) == found.foreground.sum()
    curve = recall_over_side(found, np.array([1.0, 16, 64, 65, 1000]))
    assert curve[:, 0].tolist() == [1, 1, 0, 1] and curve[:2, 1].tolist() == [0, 1] and np.isnan(curve[2, 1])


def test_the_ceiling_is_all_of_what_is_assigned_and_not_suppressed(detector):
    apart = [ANCHOR, [4.0, 100, 10, 106]]
    assert _ceiling(detector, apart, [0, 0], low_quality=True) == (100, 0, 0)
    # without low-quality matches one of two is found: precision is 1 at 51 of COCO's 101 recalls
    ap, untrained, lost = _ceiling(detector, apart, [0, 0], low_quality=False)
    assert (ap, untrained, lost) == (pytest.approx(100 * 51 / 101), 1, 0)
    shifted = [ANCHOR, [52.0, 48, 84, 80]]  # IoU .78: one suppresses the other, unless it is of another class
    assert _ceiling(detector, shifted, [0, 0], low_quality=True) == (pytest.approx(100 * 51 / 101), 0, 1)
    assert _ceiling(detector, shifted, [0, 1], low_quality=True) == (100, 0, 0)


def _ceiling(detector, boxes, classes, low_quality):
    images = [image_with(boxes, classes)]
    found = measure_ceiling(detector, images, assign(detector, images), low_quality)
    return round(found.metrics["AP"], 9), found.untrained, found.lost


def test_the_ceiling_knows_limits_on_detections_and_the_clamp(detector, monkeypatch):
    four = [[x, y, x + 32, y + 32] for x in (8.0, 80) for y in (8.0, 80)]
    monkeypatch.setattr(detector.model, "max_detections_per_image", 3)
    assert _ceiling(detector, four, [0] * 4, low_quality=True)[2] == 1


def test_padding_and_locations_are_those_of_the_backbone(detector):
    assert padded_size(detector.model, (33, 64)) == (64, 64)
    assert [len(x) for x in detector.anchors((33, 64))] == [9 * n for n in (64, 16, 4, 1, 1)]
    assert detector.num_locations((33, 64)) == 86


def test_a_detector_without_a_matcher_is_refused(tiny_cfg):
    cfg = tiny_cfg()
    cfg.model = {"_target_": "torch.nn.Identity"}
    with pytest.raises(ConfigError, match=r"model\.anchor_matcher"):
        AnchorDetector(cfg)


def test_a_verdict_says_what_rises_and_what_falls():
    now, found = Row("all", 10, 0.5, *[0.0] * 4, 0.77, 34.3), Row("all", 10, 0.9, *[0.0] * 4, 0.73, 34.31)
    assert verdict(now, found, ".5") == (
        "90.0 % of 10 boxes have an anchor at IoU .5 (now 50.0 %), the mean best IoU falls from 0.77 to 0.73, and the "
        "number of foreground anchors per box stays at 34.3"
    )


def test_pictures_are_of_images_with_boxes(detector):
    images = [image_with([], []), image_with([ANCHOR], [0]), image_with([ANCHOR, [0.0, 0, 9, 9]], [0, 1])]
    analysis = SimpleNamespace(assignment=assign(detector, images))
    assert choose_images(analysis, images, 3) == [2, 1]
