"""Heads and detectors that a user derives from these or from Detectron2's, in place of the project's own parts."""

import pytest
import torch
from detectron2.layers import ShapeSpec
from detectron2.modeling import FPN
from detectron2.modeling.backbone.fpn import LastLevelP6P7
from detectron2.modeling.backbone.swin import SwinTransformer
from detectron2.modeling.meta_arch.retinanet import RetinaNetHead
from detectron2.utils.events import EventStorage
from test_retinanet import batch, pluggable
from torch import nn

from retina_plugin.config import ConfigError
from retina_plugin.engine.setup import freeze
from retina_plugin.inference import optimize_for_inference
from retina_plugin.modeling import PluggableRetinaNet, PluggableRetinaNetHead
from retina_plugin.modeling.losses import SigmoidFocalLoss
from retina_plugin.modeling.meta_arch import FeatureMaps


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


class _OwnLosses(PluggableRetinaNet):
    """Computes losses as Detectron2's RetinaNet does, with the average that it keeps by `_ema_update`."""

    def losses(self, anchors, pred_logits, gt_labels, pred_anchor_deltas, gt_boxes):
        labels = torch.stack(gt_labels)
        num_pos_anchors = ((labels >= 0) & (labels != self.num_classes)).sum().item()
        normalizer = self._ema_update("loss_normalizer", max(num_pos_anchors, 1), 100)
        return {"loss_cls": torch.cat(pred_logits, dim=1)[labels >= 0].sum() / normalizer}


def own_losses():
    model = pluggable()
    model.__class__ = _OwnLosses
    return model


def test_losses_of_a_subclass_may_move_detectron2s_average():
    model = own_losses()
    assert losses(model)["loss_cls"].dtype == torch.float32
    moved = float(model.loss_normalizer)
    assert moved == model.state_dict()["loss_normalizer"] != 100
    with model.foreground.accumulating(2) as rescaling:
        losses(model)
        losses(model)
    assert rescaling.factor == 1
    with model.foreground.summing():
        before = float(model.loss_normalizer)
        losses(model)
    assert float(model.loss_normalizer) == before != moved


@pytest.mark.parametrize(("in_feature", "channels"), [("p3", 64), ("p5", 8)])
def test_p6_comes_from_a_swin_transformer_or_from_its_pyramid(in_feature, channels):
    """Its last feature has the name of the first level of the pyramid."""
    tiny = {"embed_dim": 8, "depths": (1, 1, 1, 1), "num_heads": (1, 1, 1, 1), "window_size": 4, "drop_path_rate": 0.0}
    top_block = LastLevelP6P7(channels, 8, in_feature)
    pyramid = FPN(SwinTransformer(**tiny), ["p1", "p2", "p3"], 8, top_block=top_block)
    assert losses(pluggable(backbone=pyramid))["loss_cls"].isfinite()
    with pytest.raises(ValueError, match=f"in_channels is 9, but its in_feature '{in_feature}' has {channels} chan"):
        pyramid.top_block = LastLevelP6P7(9, 8, in_feature)
        pluggable(backbone=pyramid)


@pytest.mark.parametrize(
    ("channels", "means", "input_format"), [(1, 1, "L"), (3, 3, "L"), (3, 1, "BGR"), (4, 4, "RGBA"), (6, 6, "BGR")]
)
def test_images_of_any_number_of_channels_have_feature_maps(channels, means, input_format):
    model = pluggable(input_format=input_format, pixel_mean=[110.0] * means, pixel_std=[57.0] * means)
    model.backbone.bottom_up.stem.conv1 = nn.Conv2d(channels, 8, 7, stride=2, padding=3)
    assert [x.shape[-1] for x in FeatureMaps(model)(128, 128)] == [16, 8, 4, 2, 1]
    assert optimize_for_inference(model.eval()) is not model


def test_nothing_left_to_train_is_refused():
    with pytest.raises(ConfigError, match=r"train.freeze=\[backbone,head\] leaves no weights to train"):
        freeze(pluggable(), ["backbone", "head"])


def test_a_frozen_head_keeps_the_names_of_its_state():
    shape = [ShapeSpec(channels=8)] * 5
    parts = {"input_shape": shape, "num_classes": 3, "num_anchors": 9, "cls_loss": SigmoidFocalLoss()}
    head = PluggableRetinaNetHead(**parts, conv_dims=[8], norm="BN")
    model = nn.ModuleDict({"head": head, "other": nn.Linear(1, 1)})
    names, weights = list(model.state_dict()), {k: v.clone() for k, v in model.state_dict().items()}
    features = [torch.randn(1, 8, 4, 4)] * 5
    expected = model.eval()["head"](features)
    freeze(model, ["head"])
    assert list(model.state_dict()) == names
    assert all(torch.equal(x, y) for x, y in zip(model["head"](features)[0], expected[0], strict=True))
    model.load_state_dict(weights)
