"""Losses inside the detector."""

import pytest
import torch
from detectron2.config import instantiate
from detectron2.structures import Boxes, Instances
from detectron2.utils.events import EventStorage

from retina_plugin.config import get_config


def make(name):
    cfg = get_config("quick/retinanet_tiny_synthetic.py", [f"model.cls_loss=${{losses.{name}}}"])
    cfg.model.backbone.bottom_up.weights = None
    torch.manual_seed(0)
    return instantiate(cfg.model)


# with K logits, with K + 1, with a state, with anchors
@pytest.mark.parametrize("name", ["focal", "softmax_focal", "ghm", "ohem_1_3"])
def test_detector_trains(name):
    model = make(name)
    instances = Instances((64, 64))
    instances.gt_boxes = Boxes(torch.tensor([[10.0, 10, 40, 40]]))
    instances.gt_classes = torch.tensor([1])
    images = [{"image": torch.zeros(3, 64, 64), "instances": instances} for _ in range(2)]
    with EventStorage():
        losses = model(images)
    losses["loss_cls"].backward()
    assert losses["loss_cls"] > 0 and model.head.cls_score.weight.grad.abs().sum() > 0
