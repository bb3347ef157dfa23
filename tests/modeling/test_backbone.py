import copy
import re

import pytest
import torch
import torch.nn.functional as F
from detectron2.layers import ShapeSpec
from detectron2.modeling import FPN, Backbone
from detectron2.modeling.backbone.fpn import LastLevelP6P7
from tiny_net import TINY_NET
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from retina_plugin.modeling import (
    PAFPN,
    AblatedFPN,
    BiFPN,
    TorchvisionBackbone,
    torchvision_channels,
)
from retina_plugin.modeling.backbone import torchvision_weights, without_pretrained_weights
from retina_plugin.modeling.backbone.bifpn import WeightedFusion
from retina_plugin.modeling.backbone.torchvision_layout import build_net
from retina_plugin.modeling.backbone.torchvision_weights import find_offline, imagenet_weights


class Strided(Backbone):
    """Features of stride 8, 16 and 32 by average pooling, which a test can compute."""

    def forward(self, x):
        return {f"res{i}": F.avg_pool2d(x, 2**i) for i in (3, 4, 5)}

    def output_shape(self):
        return {f"res{i}": ShapeSpec(channels=3, stride=2**i) for i in (3, 4, 5)}


def pyramid(kind, in_feature="res5", **settings):
    channels = 3 if in_feature.startswith("res") else 8
    top_block = LastLevelP6P7(channels, 8, in_feature)
    return kind(Strided(), ["res3", "res4", "res5"], 8, top_block=top_block, **settings)


@pytest.mark.parametrize("in_feature", ["res5", "p5"])
@pytest.mark.parametrize("kind", [PAFPN, BiFPN])
def test_levels_have_the_shapes_they_announce(kind, in_feature):
    net = pyramid(kind, in_feature)
    images = torch.randn(1, 3, 96, 160)  # 3 x 5 at stride 32: odd sizes above
    levels = net(images)
    assert list(levels) == ["p3", "p4", "p5", "p6", "p7"]
    for name, spec in net.output_shape().items():
        size = [-(-x // spec.stride) for x in (96, 160)]
        assert levels[name].shape == (1, spec.channels, *size)
    sum(level.sum() for level in levels.values()).backward()
    unused = [n for n, p in net.named_parameters() if p.grad is None]
    assert not unused


def test_pafpn_without_its_added_path_is_fpn():
    torch.manual_seed(0)
    ours, theirs = pyramid(PAFPN), pyramid(FPN)
    theirs.load_state_dict({k: v for k, v in ours.state_dict().items() if k in theirs.state_dict()})
    for conv in [*ours.downsample]:
        nn.init.zeros_(conv.weight)
        nn.init.zeros_(conv.bias)
    for conv in ours.aggregate:
        nn.init.dirac_(conv.weight)
        nn.init.zeros_(conv.bias)
    images = torch.randn(1, 3, 64, 64)
    ours_levels, levels = ours(images), theirs(images)
    for name in ("p3", "p6", "p7"):
        torch.testing.assert_close(ours_levels[name], levels[name])
    for name in ("p4", "p5"):
        torch.testing.assert_close(ours_levels[name], levels[name].relu())


def test_pafpn_carries_fine_features_up():
    """In FPN, P5 does not depend on the lateral convolution of P3; in PAFPN it does."""
    images = torch.randn(1, 3, 64, 64)
    for kind, expected in ((FPN, False), (PAFPN, True)):
        net = pyramid(kind)
        net(images)["p5"].sum().backward()
        assert (net.fpn_lateral3.weight.grad is not None) == expected


@pytest.mark.parametrize("fuse_type", ["sum", "avg"])
@pytest.mark.parametrize("in_feature", ["res5", "p5"])
def test_an_ablated_fpn_with_both_paths_is_fpn_bit_for_bit(in_feature, fuse_type):
    ours = pyramid(AblatedFPN, in_feature, fuse_type=fuse_type)
    theirs = pyramid(FPN, in_feature, fuse_type=fuse_type)
    theirs.load_state_dict(ours.state_dict())
    images = torch.randn(2, 3, 64, 96)
    expected = theirs(images)
    for name, level in ours(images).items():
        assert torch.equal(level, expected[name])


def test_without_top_down_path_a_level_sees_its_own_feature_only():
    net = pyramid(AblatedFPN, top_down=False)
    net(torch.randn(1, 3, 64, 64))["p3"].sum().backward()
    trained = {n.split(".")[0] for n, p in net.named_parameters() if p.grad is not None}
    assert trained == {"fpn_lateral3", "fpn_output3"}


def test_without_lateral_connections_fine_levels_are_upsampled():
    torch.manual_seed(0)
    net = pyramid(AblatedFPN, lateral=False)
    images = torch.randn(1, 3, 64, 96)
    coarsest = net.fpn_lateral5(F.avg_pool2d(images, 32))
    expected = net.fpn_output3(F.interpolate(coarsest, scale_factor=4))
    assert torch.equal(net(images)["p3"], expected)
    without, frozen = idle_parts(net)
    assert without == frozen == {"fpn_lateral3", "fpn_lateral4"}


def idle_parts(net):
    """Parts without a gradient, and frozen parts, after a backward pass from all levels."""
    sum(level.sum() for level in net(torch.randn(1, 3, 64, 64)).values()).backward()
    parts = net.named_parameters
    without = {n.split(".")[0] for n, p in parts() if p.grad is None}
    return without, {n.split(".")[0] for n, p in parts() if not p.requires_grad}


@pytest.mark.parametrize("in_feature", ["res5", "p5"])
@pytest.mark.parametrize("source", ["p3", "p4", "p5"])
def test_every_level_may_have_the_features_of_one(source, in_feature):
    torch.manual_seed(0)
    net, fpn = pyramid(AblatedFPN, in_feature, features_of=source), pyramid(FPN, in_feature)
    fpn.load_state_dict(net.state_dict())
    images = torch.randn(2, 3, 64, 96)
    levels, features = net(images), fpn(images)[source]
    for name in ("p3", "p4", "p5"):
        step = 2 ** (int(name[1]) - int(source[1]))
        if step >= 1:  # every so many locations of the source
            expected = features[..., :: int(step), :: int(step)]
        else:
            expected = features.repeat_interleave(int(1 / step), 2).repeat_interleave(int(1 / step), 3)
        assert torch.equal(levels[name], expected)
    top = net.top_block.p6(levels["p5"] if in_feature == "p5" else fpn.bottom_up(images)["res5"])
    assert torch.equal(levels["p6"], top)
    without, frozen = idle_parts(net)
    finer = {f"fpn_lateral{i}" for i in range(3, int(source[1]))}
    assert without == frozen == {f"fpn_output{i}" for i in (3, 4, 5) if f"p{i}" != source} | finer


def test_what_no_level_needs_is_frozen_whatever_is_removed():
    without, frozen = idle_parts(pyramid(AblatedFPN, features_of="p4", top_down=False))
    assert without == frozen == {"fpn_output3", "fpn_output5", "fpn_lateral3", "fpn_lateral5"}
    without, frozen = idle_parts(pyramid(AblatedFPN, features_of="p4", lateral=False))
    assert without == frozen == {"fpn_output3", "fpn_output5", "fpn_lateral3", "fpn_lateral4"}


def test_features_are_those_of_a_fused_level():
    with pytest.raises(ValueError, match=r"backbone.features_of must be null or one of \['p3', 'p4', 'p5'\], got 'p6'"):
        pyramid(AblatedFPN, features_of="p6")


def test_fpn_keeps_one_of_its_paths():
    with pytest.raises(ValueError, match=r"backbone.top_down and model.backbone.lateral are both"):
        pyramid(AblatedFPN, top_down=False, lateral=False)


@pytest.mark.parametrize("kind", [PAFPN, BiFPN, AblatedFPN])
def test_arguments_are_those_of_detectron2s_fpn(kind):
    images = torch.randn(1, 3, 64, 64)
    by_type = {}
    for fuse_type in ("sum", "avg"):
        torch.manual_seed(0)
        net = pyramid(kind, fuse_type=fuse_type, square_pad=128)
        assert net.padding_constraints == {"square_size": 128}
        by_type[fuse_type] = net(images)["p3"]
    assert not torch.allclose(by_type["sum"], by_type["avg"])
    with pytest.raises(ValueError, match=r"model.backbone.fuse_type must be sum or avg, got 'max'"):
        pyramid(kind, fuse_type="max")


def test_bifpn_fuses_by_average_unless_told_otherwise():
    assert pyramid(BiFPN).layers[0].top_down[0].normalize
    assert not pyramid(BiFPN, fuse_type="sum").layers[0].top_down[0].normalize


def test_fusion_weights_are_fast_normalised():
    fusion = WeightedFusion(3, 4)
    with torch.no_grad():
        fusion.weight.copy_(torch.tensor([1.0, 3.0, -5.0]))
    fusion.conv = nn.Identity()
    a, b, c = torch.randn(3, 1, 4, 2, 2)
    expected = F.silu((a + 3 * b) / (4 + 1e-4))
    torch.testing.assert_close(fusion([a, b, c]), expected)


def test_bifpn_needs_a_layer():
    with pytest.raises(ValueError, match=r"num_repeats must be 1 or more, got 0"):
        pyramid(BiFPN, num_repeats=0)


@pytest.mark.parametrize(
    ("name", "channels"),
    [
        ("mobilenet_v2", (32, 96, 320)),
        ("resnet18", (128, 256, 512)),
        ("regnet_y_400mf", (104, 208, 440)),
        ("shufflenet_v2_x0_5", (48, 96, 192)),
        ("swin_t", (192, 384, 768)),
    ],
)
def test_any_torchvision_net_is_a_backbone(name, channels):
    names = ("res3", "res4", "res5")
    assert tuple(torchvision_channels(name, n) for n in names) == channels
    net = TorchvisionBackbone(name, weights=None, norm="BN").eval()
    with torch.no_grad():
        features = net(torch.randn(1, 3, 64, 96))
    for feature, spec in net.output_shape().items():
        shape = (1, spec.channels, 64 // spec.stride, 96 // spec.stride)
        assert features[feature].shape == shape


def test_mobilenet_is_cut_where_torchvision_has_its_blocks():
    net = TorchvisionBackbone("mobilenet_v2", weights=None, norm="BN").eval()
    import torchvision

    whole = torchvision.models.mobilenet_v2().eval()
    state = {k.removeprefix("body."): v for k, v in net.state_dict().items()}
    whole.load_state_dict(state, strict=False)
    x = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        for name, last in (("res3", 6), ("res4", 13), ("res5", 17)):
            torch.testing.assert_close(net(x)[name], whole.features[: last + 1](x))


def test_freeze_at_stops_everything_before():
    net = TorchvisionBackbone("resnet18", weights=None, norm="BN", freeze_at=2)
    trained = {n.split(".")[1] for n, p in net.named_parameters() if p.requires_grad}
    assert trained == {"layer2", "layer3", "layer4"}


@pytest.mark.parametrize("norm", ["BN", "SyncBN"])
def test_freeze_at_stops_statistics_too(norm):
    net = TorchvisionBackbone("mobilenet_v2", weights=None, norm=norm, freeze_at=3).train()
    free = TorchvisionBackbone("mobilenet_v2", weights=None, norm=norm).train()
    assert list(net.state_dict()) == list(free.state_dict())
    net.load_state_dict(free.state_dict())
    updating = [n for n, m in net.named_modules() if isinstance(m, _BatchNorm)]
    trained = {n.rpartition(".")[0] for n, p in net.named_parameters() if p.requires_grad}
    assert updating and set(updating) <= trained
    before = {n: x.clone() for n, x in net.state_dict().items() if "running" in n}
    if norm == "BN":
        net(torch.randn(2, 3, 64, 64))
        changed = {n.rpartition(".")[0] for n, x in before.items() if not torch.equal(x, net.state_dict()[n])}
        assert changed == set(updating)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"name": "mobilenet_v22"}, r"mobilenet_v22.*mobilenet_v2"),
        ({"name": "resnet18", "norm": "LN"}, r"norm='LN' is not one of"),
        ({"name": "resnet18", "weights": "IMAGENET"}, r"weights='IMAGENET'.*IMAGENET1K_V1"),
        ({"name": "vit_b_16", "weights": None}, r"vit_b_16.*one size"),
        ({"name": "squeezenet1_1", "weights": None}, r"'res3', but squeezenet1_1 has none of a stride 2 to 32, as its"),
        ({"name": "resnet18", "out_features": ["res6"]}, r"'res6'.*res5"),
        ({"name": TINY_NET, "weights": None, "freeze_at": 6}, r"freeze_at names 'res6'.*res5"),
    ],
)
def test_bad_settings_name_the_key(settings, message):
    with pytest.raises(ValueError, match=message):
        TorchvisionBackbone(**settings)


def test_imagenet_weights_come_from_an_installed_wheel():
    path = find_offline("mobilenet_v2-b0353104.pth")
    assert path is not None
    weights = imagenet_weights("mobilenet_v2", "IMAGENET1K_V1")
    net = TorchvisionBackbone("mobilenet_v2")
    for name in ("features.0.0.weight", "features.17.conv.3.running_var"):
        assert torch.equal(net.state_dict()[f"body.{name}"], weights[name])


def test_old_names_in_the_weights_of_densenet_become_those_of_the_network(tmp_path, monkeypatch):
    with torch.device("meta"):
        names = list(build_net("densenet121").state_dict())
    old = [re.sub(r"(denselayer\d+\.(?:norm|conv))(\d)", r"\1.\2", name) for name in names]
    torch.save({name: torch.zeros(1) for name in old}, tmp_path / "old.pth")
    monkeypatch.setattr(torchvision_weights, "find_offline", lambda name: tmp_path / "old.pth")
    assert old != names and sorted(imagenet_weights("densenet121", "IMAGENET1K_V1")) == sorted(names)


def test_googlenet_normalizes_as_its_weights_expect():
    plain = TorchvisionBackbone("googlenet", None, ["res2"]).eval()
    with without_pretrained_weights():
        pretrained = TorchvisionBackbone("googlenet", "IMAGENET1K_V1", ["res2"]).eval()
    pretrained.load_state_dict(plain.state_dict())
    images = torch.rand(1, 3, 64, 64)
    mean, std = (torch.tensor(x)[:, None, None] for x in ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]))
    expected = plain(2 * images - 1)["res2"]
    torch.testing.assert_close(pretrained((images - mean) / std)["res2"], expected, rtol=1e-4, atol=1e-5)


def test_damaged_weights_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "checkpoints" / "net-0123abcd.pth").write_bytes(b"not the weights")
    with pytest.raises(OSError, match=r"damaged.*0123abcd"):
        find_offline("net-0123abcd.pth")


def test_weights_that_are_nowhere_say_what_to_do(monkeypatch):
    def offline(url, **_):
        raise OSError("no route to host")

    monkeypatch.setattr(torch.hub, "load_state_dict_from_url", offline)
    with pytest.raises(OSError, match=r"no ImageNet weights for resnet18.*weights=null"):
        TorchvisionBackbone("resnet18")
    with without_pretrained_weights():
        TorchvisionBackbone("resnet18")


def test_a_copy_of_a_torchvision_backbone_computes_the_same():
    backbone = TorchvisionBackbone("mobilenet_v3_small", None, ["res3"], norm="BN")
    twin = copy.deepcopy(backbone)
    for model in (backbone, twin):
        model.eval().train().eval()  # switches between the graphs of torchvision
    images = torch.randn(1, 3, 64, 64)
    assert torch.equal(backbone(images)["res3"], twin(images)["res3"])
    assert not any(p is q for p, q in zip(backbone.parameters(), twin.parameters(), strict=True))
    next(backbone.body.children()).train()
    again = copy.deepcopy(backbone)
    assert [m.training for m in again.modules()] == [m.training for m in backbone.modules()]
    assert torch.equal(copy.deepcopy(twin)(images)["res3"], twin(images)["res3"])


def test_only_random_weights_that_stay_are_warned_of(caplog):
    with without_pretrained_weights():
        TorchvisionBackbone(TINY_NET, weights=None)
    assert not caplog.text
    TorchvisionBackbone(TINY_NET, weights=None)
    assert "FrozenBN with random weights does not train" in caplog.text
