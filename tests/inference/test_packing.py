"""Packed convolutions: the same values as the layers that they take the place of, in every network."""

import copy
import io
import pickle
import weakref

import pytest
import torch
import torch.nn.functional as F
from detectron2.layers import Conv2d, ShapeSpec
from detectron2.modeling.backbone import FPN, Backbone
from detectron2.modeling.backbone.resnet import BasicBlock, BasicStem, BottleneckBlock, ResNet
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from retina_plugin.inference import packing
from retina_plugin.modeling import TorchvisionBackbone
from retina_plugin.modeling.optimization import layouts
from retina_plugin.modeling.optimization.norms import fold_norms

pytestmark = pytest.mark.skipif(not packing.can_pack(), reason="this PyTorch has no oneDNN")


def packed(module):
    module = copy.deepcopy(module).eval().requires_grad_(False)
    packing.pack_convolutions(module)
    return module


def assert_same(module, x, dtype=torch.float32, tolerance=1e-4):
    expected, found = module.eval()(x), packed(module)(x)
    expected, found = (list(y.values()) if isinstance(y, dict) else [y] for y in (expected, found))
    for a, b in zip(expected, found, strict=True):
        torch.testing.assert_close(b, a, rtol=tolerance, atol=tolerance * float(a.abs().max()))


@settings(max_examples=40, deadline=None)
@given(
    st.sampled_from([1, 3]),
    st.sampled_from([1, 2]),
    st.sampled_from([1, 2, 8]),
    st.sampled_from([None, nn.ReLU(), nn.ReLU6(inplace=True)]),
    st.booleans(),
    st.integers(1, 20),
    st.integers(1, 20),
)
@torch.no_grad()
def test_a_convolution_with_its_activation(kernel, stride, groups, activation, bias, height, width):
    conv = nn.Conv2d(8, 16, kernel, stride, kernel // 2, groups=groups, bias=bias)
    module = nn.Sequential(conv, nn.Identity(), *([] if activation is None else [activation]), nn.Identity())
    x = 5 * torch.randn(2, 8, height, width)
    assert_same(module, x)
    assert_same(module, x.to(memory_format=torch.channels_last))
    assert activation is None or type(packed(module)[2]) is nn.Identity


@torch.no_grad()
@pytest.mark.parametrize("block", [BottleneckBlock, BasicBlock])
@pytest.mark.parametrize("stride", [1, 2])
def test_detectron2s_resnet(block, stride):
    inner = {"bottleneck_channels": 8} if block is BottleneckBlock else {}
    blocks = [
        block(16 if i == 0 else 32, 32, stride=stride if i == 0 else 1, norm="FrozenBN", **inner) for i in range(2)
    ]
    net = ResNet(BasicStem(3, 16, norm="FrozenBN"), [blocks], out_features=["res2"])
    for x in net.buffers():
        x.copy_(torch.rand_like(x) + 0.5) if x.is_floating_point() else None
    fold_norms(net.eval())
    assert_same(net, torch.randn(2, 3, 64, 96))
    relus = packed(net)
    relus.stem.conv1.register_forward_hook(lambda module, args, y: seen.append(float(y.min())))
    seen = []
    relus(torch.randn(1, 3, 32, 32))
    assert seen == [0.0]  # the activation is part of the convolution


@torch.no_grad()
@pytest.mark.parametrize("name", ["mobilenet_v2", "mobilenet_v3_small", "resnet18", "regnet_y_400mf"])
def test_torchvisions_networks(name):
    torch.manual_seed(0)
    net = TorchvisionBackbone(name, None, ["res3", "res4", "res5"], norm="BN").eval()
    fold_norms(net)
    assert any(type(x) in (nn.ReLU, nn.ReLU6) for x in net.modules())
    assert_same(net, torch.randn(1, 3, 64, 96))


@torch.no_grad()
def test_a_pyramid_and_detectron2s_convolution():
    class Bottom(Backbone):
        def output_shape(self):
            return {"a": ShapeSpec(channels=4, stride=8), "b": ShapeSpec(channels=4, stride=16)}

        def forward(self, x):
            return {"a": x, "b": F.max_pool2d(x, 2)}

    fpn = FPN(Bottom(), ["a", "b"], 8)
    assert_same(fpn, torch.randn(1, 4, 32, 48))
    with_activation = Conv2d(4, 4, 3, padding=1, activation=F.relu)
    assert type(packed(with_activation)) is Conv2d
    assert_same(with_activation, torch.randn(1, 4, 8, 8))


@torch.no_grad()
def test_what_it_cannot_do_is_computed_as_usual():
    conv = nn.Conv2d(4, 4, 3, padding=1)
    own = packed(nn.Sequential(conv, nn.ReLU()))
    assert own(torch.zeros(0, 4, 8, 8)).shape == (0, 4, 8, 8)
    x = torch.randn(1, 4, 8, 8)
    traced = torch.jit.trace(own, x)
    torch.jit.save(traced, io.BytesIO())
    torch.testing.assert_close(traced(x), own(x))
    hooked = copy.deepcopy(conv)
    hooked.register_forward_hook(lambda *args: None)
    assert type(packed(nn.Sequential(hooked))[0]) is nn.Conv2d
    mirrored = nn.Conv2d(4, 4, 3, padding=1, padding_mode="reflect")
    assert type(packed(mirrored)) is nn.Conv2d


@torch.no_grad()
def test_changed_weights_and_copies():
    own, x = packed(nn.Sequential(nn.Conv2d(4, 4, 3), nn.ReLU())), torch.randn(1, 4, 8, 8)
    before = own(x)
    for other in (copy.deepcopy(own), pickle.loads(pickle.dumps(own))):
        assert torch.equal(other(x), before)
    own(torch.randn(2, 4, 30, 30))
    assert len(layouts._kept[own[0].weight][1]) == 2  # for small and for large maps
    own[0].weight.mul_(2)
    own[0].bias.mul_(2)
    torch.testing.assert_close(own(x), 2 * before)
    assert len(layouts._kept[own[0].weight][1]) == 1
    double = own.double()
    torch.testing.assert_close(double(x.double()).float(), 2 * before, rtol=1e-4, atol=1e-5)
    (kept,) = map(weakref.ref, layouts._kept[own[0].weight][1].values())
    assert kept() is not None
    del own, double, other
    assert kept() is None  # layouts live no longer than their weights


def test_weights_of_inference_mode():
    with torch.inference_mode():
        own = packed(nn.Sequential(nn.Conv2d(4, 4, 3), nn.ReLU()))
        x = torch.randn(1, 4, 8, 8)
        torch.testing.assert_close(own(x), F.conv2d(x, own[0].weight, own[0].bias).relu())
        assert own(x[0]).shape == (4, 6, 6)  # one image without the dimension of the batch


@torch.no_grad()
def test_a_convolution_that_is_used_twice_keeps_its_values():
    conv = nn.Conv2d(4, 4, 3, padding=1)
    assert_same(nn.Sequential(conv, nn.ReLU(), conv), torch.randn(1, 4, 8, 8))
    shared = nn.ModuleDict({"a": nn.Sequential(conv, nn.ReLU()), "b": nn.Sequential(conv, nn.Identity())})
    alone = copy.deepcopy(shared)
    packing.pack_convolutions(alone["a"], within=alone)
    x = torch.randn(1, 4, 8, 8)
    for name, layers in shared.items():
        torch.testing.assert_close(alone[name](x), layers(x))


def test_the_input_has_its_gradient():
    module = nn.Sequential(nn.Conv2d(4, 4, 3), nn.ReLU()).requires_grad_(False)
    gradients = []
    for net in (module, packed(module)):
        x = torch.linspace(-1, 1, 256).reshape(1, 4, 8, 8).requires_grad_()
        net(x).sum().backward()
        gradients.append(x.grad)
    torch.testing.assert_close(gradients[1], gradients[0])


@torch.no_grad()
def test_weights_that_are_replaced_are_laid_out_anew():
    own, x = packed(nn.Conv2d(4, 4, 3)), torch.randn(1, 4, 8, 8)
    own(x)
    own.weight = nn.Parameter(torch.randn_like(own.weight), requires_grad=False)
    torch.testing.assert_close(own(x), F.conv2d(x, own.weight, own.bias))
    own.weight.data = torch.randn_like(own.weight)
    torch.testing.assert_close(own(x), F.conv2d(x, own.weight, own.bias))
