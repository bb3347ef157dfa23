"""Heads and detectors that a user derives from these or from Detectron2's, in place of the project's own parts."""

import pytest
import torch
from detectron2.layers import ShapeSpec
from detectron2.modeling.meta_arch.retinanet import RetinaNetHead
from detectron2.utils.events import EventStorage
from test_retinanet import batch, pluggable
from torch import nn

from retina_plugin.engine.setup import freeze
from retina_plugin.modeling import PluggableRetinaNet, PluggableRetinaNetHead
from retina_plugin.modeling.losses import SigmoidFocalLoss


def losses(model):
    with EventStorage():
        return model(batch())


class _CoordinatesHead(RetinaNetHead):
    """Appends the position of a pixel to the features: two more channels than the backbone gives."""

    def __init__(self):
        super().__init__(input_shape=[ShapeSpec(channels=10)] * 5, num_classes=3, num_anchors=9, conv_dims=[8])

    def forward(self, features):
        return super().forward([torch.cat([x, x[:, :2]], dim=1) for x in features])


class _DeeperBoxHead(RetinaNetHead):
    """Predicts boxes with two layers where Detectron2 has one convolution."""

    def __init__(self):
        super().__init__(input_shape=[ShapeSpec(channels=8)] * 5, num_classes=3, num_anchors=9, conv_dims=[8])
        self.bbox_pred = nn.Sequential(nn.Conv2d(8, 8, 1), nn.Conv2d(8, 36, 1))


class _UndeclaredHead(nn.Module):
    """Says nothing of its numbers of anchors and logits."""

    def __init__(self, logits, deltas):
        super().__init__()
        self.logits, self.deltas = nn.Conv2d(8, logits, 1), nn.Conv2d(8, deltas, 1)

    def forward(self, features):
        return [self.logits(x) for x in features], [self.deltas(x) for x in features]


@pytest.mark.parametrize("head", [_CoordinatesHead, _DeeperBoxHead, lambda: _UndeclaredHead(27, 36)])
def test_a_head_of_the_user_trains(head):
    assert all(value.isfinite() for value in losses(pluggable(head=head())).values())


@pytest.mark.parametrize(
    ("channels", "message"),
    [
        ((24, 36), "_UndeclaredHead gives 24 channels of logits, but 9 anchors .* with 3 logits each need 27"),
        ((27, 24), "gives 24 channels of box deltas, but 9 anchors .* with 4 box deltas each need 36"),
    ],
)
def test_a_head_with_other_numbers_than_the_anchors_need_is_refused(channels, message):
    with pytest.raises(ValueError, match=message):
        losses(pluggable(head=_UndeclaredHead(*channels)))


class _AllBackground(PluggableRetinaNet):
    def label_anchors(self, anchors, gt_instances):
        labels, boxes = super().label_anchors(anchors, gt_instances)
        return [torch.full_like(x, self.num_classes) for x in labels], boxes


@pytest.mark.parametrize("selective", [False, True])
def test_training_labels_anchors_as_a_subclass_does(selective):
    model = pluggable()
    model.__class__ = _AllBackground
    model.selective_boxes = selective
    assert losses(model)["loss_box_reg"] == 0


def test_a_frozen_head_keeps_the_names_of_its_state():
    shape = [ShapeSpec(channels=8)] * 5
    parts = {"input_shape": shape, "num_classes": 3, "num_anchors": 9, "cls_loss": SigmoidFocalLoss()}
    head = PluggableRetinaNetHead(**parts, conv_dims=[8], norm="BN")
    model = nn.ModuleDict({"head": head})
    names, weights = list(model.state_dict()), {k: v.clone() for k, v in model.state_dict().items()}
    features = [torch.randn(1, 8, 4, 4)] * 5
    expected = model.eval()["head"](features)
    freeze(model, ["head"])
    assert list(model.state_dict()) == names
    assert all(torch.equal(x, y) for x, y in zip(model["head"](features)[0], expected[0], strict=True))
    model.load_state_dict(weights)
