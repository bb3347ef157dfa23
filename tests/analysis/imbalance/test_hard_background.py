"""The hardest background anchors, planted, and the pictures of them."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from detectron2.modeling.box_regression import Box2BoxTransform
from detectron2.structures import Boxes, Instances
from planted_logits import planted_image

from retina_plugin.analysis.imbalance.hard_background import HardBackground
from retina_plugin.analysis.imbalance.report.gallery import draw_gallery
from retina_plugin.inference.images import write_rgb
from retina_plugin.modeling.losses import SigmoidFocalLoss

ANCHORS = torch.tensor(
    [
        [10.0, 10, 50, 50],  # background, the hardest: nothing is labelled there
        [12.0, 12, 52, 52],  # the same place
        [100.0, 10, 140, 50],  # background beside an object
        [150.0, 50, 190, 90],  # background, easy
        [100.0, 50, 140, 90],  # foreground, harder than all
        [10.0, 50, 50, 90],  # ignored, likewise
    ]
)
LOGITS = torch.tensor([[2.0, -5, -5], [1.9, -5, -5], [-5.0, 1, -5], [-5.0, -5, -4], [-9.0, -9, -9], [9.0, 9, 9]])
MODEL = SimpleNamespace(
    cls_loss=SigmoidFocalLoss(), num_classes=3, box2box_transform=Box2BoxTransform((1.0, 1.0, 1.0, 1.0))
)


def image(file_name: str, shift: float = 0.0):
    objects = Instances((100, 200))
    objects.gt_boxes, objects.gt_classes = Boxes(torch.tensor([[105.0, 12, 145, 52]])), torch.tensor([2])
    values = vars(planted_image(0)) | {
        "logits": LOGITS + shift,
        "deltas": torch.zeros(6, 4),
        "labels": torch.tensor([3, 3, 3, 3, 0, -1]),
        "anchors": ANCHORS,
        "ground_truth": objects,
    }
    values["entry"] = values["entry"] | {"file_name": file_name}
    return type(planted_image(0))(**values)


def test_each_hard_place_is_found_once_and_foreground_is_not():
    found = HardBackground(MODEL, 4)
    found.add(image("a.png"))
    assert [(x.category, x.is_apart) for x in found.found] == [(1, False), (0, True), (2, True)]
    beside, apart, easy = found.found
    assert apart.gradient_norm > beside.gradient_norm > easy.gradient_norm > 0
    assert apart.anchor.tolist() == [5, 5, 25, 25]  # pixels of the original image, half as large
    assert apart.box.tolist() == [5, 5, 25, 25] and (apart.overlap, beside.nearest) == (0, 2)
    assert beside.overlap == pytest.approx(35 * 38 / (2 * 1600 - 35 * 38))
    gradient = SigmoidFocalLoss().loss_and_gradient(LOGITS[:1], image("").targets.__class__(torch.tensor([3])))[1]
    assert apart.gradient_norm == pytest.approx(gradient.norm().item())
    assert apart.score == pytest.approx(torch.tensor(2.0).sigmoid().item())


def test_the_hardest_of_all_images_stay():
    found = HardBackground(MODEL, 2)
    for name, shift in (("a.png", 0.0), ("b.png", 1.0), ("c.png", -1.0)):
        found.add(image(name, shift))
    assert [(x.file_name, x.is_apart) for x in found.found] == [("b.png", False), ("b.png", True)]
    nothing = HardBackground(MODEL, 0)
    nothing.add(image("a.png"))
    assert nothing.found == []


def test_pictures_say_what_the_detector_and_the_labels_see(tmp_path):
    write_rgb(tmp_path / "a.png", np.full((50, 100, 3), 90, np.uint8))
    found = HardBackground(MODEL, 4)
    found.add(image(str(tmp_path / "a.png")))
    beside, apart, _ = draw_gallery(found.found, ["US$", "dog", "$cow"])
    assert (apart["title"][:7], apart["words"], apart["is_apart"]) == ("US$ 88%", "no labelled object", True)
    assert beside["words"] == "IoU 0.71 with a labelled $cow" and beside["title"].startswith("dog 73%")
    assert beside["file_name"] == "a.png" and beside["image"].startswith("data:image/jpeg;base64,")
