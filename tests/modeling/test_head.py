import pytest
import torch
from detectron2.layers import ShapeSpec
from detectron2.modeling.meta_arch.retinanet import RetinaNetHead

from retina_plugin.modeling import PluggableRetinaNetHead
from retina_plugin.modeling.losses import SigmoidFocalLoss

SHAPE = [ShapeSpec(channels=8)] * 2


def head(**settings):
    return PluggableRetinaNetHead(
        input_shape=SHAPE, num_classes=3, num_anchors=2, cls_loss=SigmoidFocalLoss(), **settings
    )


def test_state_dict_and_outputs_are_upstreams():
    for norm in ("", "GN", "BN"):
        conv_dims = [32, 32]
        theirs = RetinaNetHead(input_shape=SHAPE, num_classes=3, num_anchors=2, conv_dims=conv_dims, norm=norm)
        ours = head(conv_dims=conv_dims, norm=norm)
        ours.load_state_dict(theirs.state_dict())
        features = [torch.randn(1, 8, 6, 6), torch.randn(1, 8, 3, 3)]
        for a, b in zip(theirs(features), ours(features), strict=True):
            assert all(torch.equal(x, y) for x, y in zip(a, b, strict=True))


def test_towers_may_differ():
    net = head(conv_dims=[16, 16], bbox_conv_dims=[32], norm="", bbox_norm="GN")
    assert net.cls_score.in_channels == 16 and net.bbox_pred.in_channels == 32
    assert [type(m).__name__ for m in net.bbox_subnet] == ["Conv2d", "GroupNorm", "ReLU"]
    assert [type(m).__name__ for m in net.cls_subnet] == ["Conv2d", "ReLU"] * 2
    logits, deltas = net([torch.randn(2, 8, 5, 4)])
    assert logits[0].shape == (2, 6, 5, 4) and deltas[0].shape == (2, 8, 5, 4)


def test_a_loss_of_another_kind_is_refused():
    with pytest.raises(ValueError, match=r"model.cls_loss is of class int, not a ClassificationLoss"):
        PluggableRetinaNetHead(input_shape=SHAPE, num_classes=3, num_anchors=2, cls_loss=5)


@pytest.mark.parametrize(("norm", "reason"), [("BNN", "KeyError"), ("GN", "ValueError: .* divisible")])
def test_a_norm_that_cannot_be_built_is_named(norm, reason):
    with pytest.raises(ValueError, match=f"model.head.norm='{norm}' is no norm for 16 channels in a tower: {reason}"):
        head(conv_dims=[16], norm=norm)


def test_no_tower_at_all():
    net = head(conv_dims=[])
    assert net.cls_score.in_channels == 8 and len(net.cls_subnet) == 0


def test_a_pass_that_fails_leaves_the_statistics_of_levels_in_their_order(monkeypatch):
    net = head(conv_dims=[8, 8], norm="BN").eval()
    for norm in net.modules():
        if isinstance(norm, torch.nn.BatchNorm2d):
            norm.running_mean.normal_()
    features = [torch.randn(1, 8, 6, 6), torch.randn(1, 8, 3, 3)]
    expected = net(features)
    with monkeypatch.context() as patch:
        patch.setattr(net.cls_subnet[3], "forward", lambda x: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            net(features)
    for a, b in zip(expected, net(features), strict=True):
        assert all(torch.equal(x, y) for x, y in zip(a, b, strict=True))
