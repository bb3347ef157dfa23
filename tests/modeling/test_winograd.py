"""Convolutions with fewer multiplications: results and gradients of F.conv2d; used only where they are faster."""

import copy
import subprocess
import sys

import pytest
import torch
import torch.nn.functional as F
from conftest import REAL_NET
from detectron2.config import instantiate
from detectron2.layers import Conv2d, FrozenBatchNorm2d
from detectron2.modeling.backbone.resnet import BasicBlock
from detectron2.structures import Boxes, Instances
from detectron2.utils.events import EventStorage
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torch._subclasses.fake_tensor import FakeTensorMode

from retina_plugin.inference import optimize_for_inference
from retina_plugin.inference.packing import can_pack, pack_convolutions
from retina_plugin.modeling import optimize_for_training
from retina_plugin.modeling.optimization import fast_conv, layouts, winograd
from retina_plugin.modeling.optimization.fast_conv import (
    FastConv2d,
    FastDetectron2Conv2d,
    conv2d,
    use_fast_convolutions,
)
from retina_plugin.modeling.optimization.winograd import Conv3x3

ONE = ((1, 1), (1, 1), (1, 1), 1)  # stride, padding, dilation, groups


def tensors(n, channels, outputs, height, width, dtype=torch.float64, seed=0):
    rng = torch.Generator().manual_seed(seed)
    shapes = (n, channels, height, width), (outputs, channels, 3, 3), (outputs,)
    x, weight, bias = (torch.randn(shape, generator=rng, dtype=dtype) for shape in shapes)
    return x, weight / (9 * channels) ** 0.5, bias


@given(
    n=st.integers(1, 3),
    channels=st.integers(1, 4),
    outputs=st.integers(1, 4),
    height=st.integers(3, 19),
    width=st.integers(3, 19),
    padding=st.integers(0, 2),
    has_bias=st.booleans(),
    channels_last=st.booleans(),
)
def test_results_are_those_of_torch(n, channels, outputs, height, width, padding, has_bias, channels_last):
    x, weight, bias = tensors(n, channels, outputs, height, width)
    x = x.to(memory_format=torch.channels_last) if channels_last else x
    bias = bias if has_bias else None
    actual = Conv3x3.apply(x, weight, bias, padding)
    torch.testing.assert_close(actual, F.conv2d(x, weight, bias, padding=padding), rtol=1e-10, atol=1e-12)
    assert actual.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize("transposed", [False, True])
@pytest.mark.parametrize("padding", [0, 1])
@pytest.mark.parametrize("size", [(3, 6), (4, 8)])
def test_gradients_of_first_and_second_order(padding, size, transposed):
    x, weight, bias = tensors(2, 2, 3, *size)
    arguments = [x, weight.transpose(0, 1).contiguous() if transposed else weight, bias]
    arguments = [x.requires_grad_() for x in arguments]
    assert torch.autograd.gradcheck(lambda *x: Conv3x3.apply(*x, padding, transposed), arguments)
    assert torch.autograd.gradgradcheck(lambda *x: Conv3x3.apply(*x, padding, transposed), arguments)


@pytest.mark.parametrize("padding", [0, 1])
def test_a_transposed_convolution_is_that_of_torch(padding):
    x, weight, bias = tensors(2, 3, 4, 7, 10)
    weight = weight.transpose(0, 1)  # (inputs, outputs)
    expected = F.conv_transpose2d(x, weight, bias, padding=padding)
    torch.testing.assert_close(Conv3x3.apply(x, weight, bias, padding, True), expected, rtol=1e-10, atol=1e-12)


def test_gradients_of_weights_lie_as_the_weights_do():
    x, weight, _ = tensors(2, 3, 4, 7, 10)
    weight = weight.contiguous(memory_format=torch.channels_last).requires_grad_()
    (of_weight,) = torch.autograd.grad(Conv3x3.apply(x, weight, None, 1).sum(), weight)
    assert of_weight.is_contiguous(memory_format=torch.channels_last)


def test_gradients_are_computed_only_where_they_are_needed():
    x, weight, bias = tensors(1, 2, 3, 5, 6)
    weight.requires_grad_()
    Conv3x3.apply(x, weight, bias, 1).sum().backward()
    expected = torch.autograd.grad(F.conv2d(x, weight, bias, padding=1).sum(), weight)[0]
    torch.testing.assert_close(weight.grad, expected, rtol=1e-10, atol=1e-12)
    assert x.grad is None and bias.grad is None


def test_frozen_weights_cost_no_gradient(calls):
    x, weight, bias = tensors(1, 2, 3, 5, 6)
    Conv3x3.apply(x.requires_grad_(), weight, bias, 1).sum().backward()
    assert len(calls) == 2  # forward, and the gradient of x


def test_gradients_of_second_order_after_inference_mode():
    winograd._matrices.cache_clear()
    x, weight, _ = tensors(1, 2, 3, 5, 6)
    with torch.inference_mode():
        Conv3x3.apply(x, weight, None, 1)
    test_gradients_of_first_and_second_order(1, (3, 6), False)


def test_large_maps_are_computed_in_blocks(monkeypatch):
    arguments = [x.requires_grad_() for x in tensors(2, 3, 4, 33, 18)]

    def everything():
        result = Conv3x3.apply(*arguments, 1)
        return result, *torch.autograd.grad(result.square().sum(), arguments)

    whole = everything()
    monkeypatch.setattr(winograd, "_AT_ONCE", 1)
    monkeypatch.setattr(winograd, "_FEWEST", 1)
    assert len(list(winograd._blocks(2, 9, 5, 7))) == 9
    for of_blocks, of_whole in zip(everything(), whole, strict=True):
        torch.testing.assert_close(of_blocks, of_whole, rtol=1e-10, atol=1e-12)


def test_rounding_errors_in_float32_are_small():
    arguments = tensors(1, 256, 256, 40, 40)
    grad = torch.randn(1, 256, 40, 40, generator=torch.Generator().manual_seed(1), dtype=torch.float64)

    def everything(conv, dtype):
        x, weight, bias = (x.to(dtype).requires_grad_() for x in arguments)
        result = conv(x, weight, bias, 1)
        return result.detach(), *torch.autograd.grad(result, (x, weight, bias), grad.to(dtype))

    def torch_conv(x, weight, bias, padding):
        return F.conv2d(x, weight, bias, padding=padding)

    exact = everything(torch_conv, torch.float64)
    fast, plain = everything(Conv3x3.apply, torch.float32), everything(torch_conv, torch.float32)
    for name, *values in zip(("result", "x", "weight", "bias"), exact, fast, plain, strict=True):
        of_exact, of_fast, of_plain = (value.double() for value in values)
        errors = [(value - of_exact).abs().max() / of_exact.square().mean().sqrt() for value in (of_fast, of_plain)]
        assert errors[0] < max(2 * errors[1], 2e-5), f"{name}: {errors}"


def uses(x, weight, bias, *settings):
    """Whether `conv2d` multiplies less; its results are those of torch either way."""
    weight = weight.contiguous(memory_format=torch.channels_last)
    actual, expected = conv2d(x, weight, bias, *settings), F.conv2d(x, weight, bias, *settings)
    torch.testing.assert_close(actual.float(), expected.float(), rtol=1e-3, atol=1e-3)
    return not torch.equal(actual, expected)


def test_it_is_used_for_large_3_x_3_convolutions_only():
    x, weight, bias = tensors(1, 128, 128, 32, 32, torch.float32)
    assert uses(x, weight, bias, *ONE)
    assert not uses(x[0], weight, bias, *ONE)
    assert conv2d(*(t.to("meta") for t in (x, weight, bias)), *ONE).is_meta
    assert uses(F.pad(x, (1, 1, 1, 1)), weight, bias)
    assert not uses(x[:, :, :28], weight, bias, *ONE)  # 56 tiles
    assert uses(x[:, :, :28].expand(2, -1, -1, -1), weight, bias, *ONE)
    assert not uses(x[:, :127], weight[:, :127], bias, *ONE)
    assert not uses(x, weight[:127], bias[:127], *ONE)
    assert not uses(x, weight[:, :, :1, :1].contiguous(), bias)
    for settings in ((2, 2), *ONE[1:]), (*ONE[:2], (2, 2), 1), ((1, 1), (2, 2), (1, 1), 1):
        assert not uses(x, weight, bias, *settings)
    assert not uses(x, weight[:, :64].repeat(2, 1, 1, 1), bias.repeat(2), *ONE[:3], 2)
    assert not uses(x.double(), weight.double(), bias.double(), *ONE)
    assert not uses(x.half(), weight.half(), bias.half(), *ONE)
    assert conv2d(x[:, :, :2], weight, bias, (1, 1), "same").shape == (1, 128, 2, 32)


def test_it_is_used_only_with_mkl(monkeypatch):
    arguments = tensors(1, 128, 128, 32, 32, torch.float32)
    assert uses(*arguments, *ONE)
    monkeypatch.setattr(torch.backends.mkl, "is_available", lambda: False)
    assert not uses(*arguments, *ONE)


_PRECISIONS = """
import torch
from retina_plugin.modeling.optimization.fast_conv import is_faster
x, weight = torch.ones(1, 128, 32, 32), torch.ones(128, 128, 3, 3).contiguous(memory_format=torch.channels_last)
def now(): return is_faster(x, weight, 1, 1, 1)
answers = [now()]
for precision in ("medium", "highest"):
    torch.set_float32_matmul_precision(precision)
    answers.append(now())
if hasattr(torch.backends.mkldnn, "matmul"):  # after setting it, torch.get_float32_matmul_precision() is an error
    for precision in ("bf16", "ieee"):
        torch.backends.mkldnn.matmul.fp32_precision = precision
        answers.append(now())
print(answers)
"""


def test_it_is_used_only_where_matrix_products_are_in_float32():
    found = subprocess.run([sys.executable, "-W", "ignore", "-c", _PRECISIONS], capture_output=True, text=True)
    assert found.stdout.strip() in ("[True, False, True]", "[True, False, True, False, True]"), found.stderr


def a_fast_conv(*settings, **options):
    return FastConv2d(*(settings or (128, 128, 3)), **{"padding": 1} | options).to(memory_format=torch.channels_last)


def test_a_trace_holds_torchs_convolution():
    conv = a_fast_conv()
    traced = torch.jit.trace(conv, torch.randn(1, 128, 32, 32))
    x = torch.randn(1, 128, 40, 36)
    assert torch.equal(traced(x), F.conv2d(x, conv.weight, conv.bias, padding=1))


def test_a_graph_holds_torchs_convolution():
    graphs = [torch.fx.symbolic_trace(nn.Sequential(a_fast_conv())).graph]
    torch.compile(a_fast_conv(), backend=lambda module, _: (graphs.append(module.graph), module)[1], fullgraph=True)(
        torch.randn(1, 128, 32, 32)
    )
    for graph in graphs:
        assert torch.conv2d in [node.target for node in graph.nodes]
    assert len(graphs) == 2


def test_fake_tensors_leave_nothing_behind():
    winograd._matrices.cache_clear()
    x, weight, bias = tensors(1, 128, 128, 32, 32, torch.float32)
    weight = weight.contiguous(memory_format=torch.channels_last)
    with FakeTensorMode() as mode:
        fake = conv2d(*map(mode.from_tensor, (x, weight, bias)), *ONE)
    assert fake.shape == conv2d(x, weight, bias, *ONE).shape


def test_the_layout_of_results_is_that_of_torch():
    """torch's gradient of a strided 1 x 1 convolution may crash with channels last, see `optimize_for_training`."""
    x, weight, bias = tensors(1, 128, 128, 32, 32, torch.float32)
    assert conv2d(x, weight, bias, *ONE).is_contiguous()
    assert torch.equal(conv2d(x, weight, bias, *ONE), F.conv2d(x, weight, bias, *ONE))
    for name, images in ("other", x), ("last", x.contiguous(memory_format=torch.channels_last)):
        result = conv2d(images, weight.contiguous(memory_format=torch.channels_last), bias, *ONE)
        assert result.is_contiguous(memory_format=torch.channels_last), name


def test_a_number_stands_for_both_sides(calls):
    conv, x = a_fast_conv(), torch.randn(1, 128, 32, 32)
    expected = conv(x)
    conv.stride = conv.padding = conv.dilation = 1
    assert torch.equal(conv(x), expected) and len(calls) == 2
    conv.stride = 2
    assert conv(x).shape == (1, 128, 16, 16)


def test_a_wrong_number_of_channels_is_named():
    with pytest.raises(RuntimeError, match="to have 256 channels, but got 128 channels instead"):
        a_fast_conv(256, 128, 3)(torch.randn(1, 128, 32, 32))


def test_gradients_are_exact_where_autocast_is_enabled():
    conv, x = a_fast_conv(), torch.randn(1, 128, 32, 32, requires_grad=True)
    loss = conv(x).square().sum()
    expected = torch.autograd.grad(loss, (x, *conv.parameters()), retain_graph=True)
    with torch.autocast("cpu", torch.bfloat16):
        actual = torch.autograd.grad(loss, (x, *conv.parameters()))
    assert all(map(torch.equal, actual, expected))


def test_gradients_of_torch_func(calls):
    conv, x = a_fast_conv(), torch.randn(1, 128, 32, 32)
    weights = dict(conv.named_parameters())
    actual = torch.func.grad(lambda weights: torch.func.functional_call(conv, weights, (x,)).square().sum())(weights)
    expected = torch.autograd.grad(conv(x).square().sum(), tuple(weights.values()))
    assert len(calls) == 4
    assert all(map(torch.equal, actual.values(), expected))


def test_a_packed_convolution_may_have_weights_that_want_gradients(calls):
    plain = nn.Sequential(nn.Conv2d(128, 128, 3, padding=1)).to(memory_format=torch.channels_last)
    packed, x = copy.deepcopy(plain), torch.randn(1, 128, 32, 32)
    pack_convolutions(packed)
    torch.testing.assert_close(packed(x), plain(x), rtol=1e-4, atol=1e-5)
    assert len(calls) == can_pack()
    if can_pack():  # a layout with a graph would keep the weights alive
        assert not any(layout.requires_grad for layout in layouts._kept[packed[0].weight][1].values())


@torch.no_grad()
def test_packed_convolutions_add_activate_and_notice_new_weights(calls):
    torch.manual_seed(0)
    plain = nn.Sequential(BasicBlock(128, 128, norm=""), nn.Conv2d(128, 128, 3, padding=1), nn.ReLU6())
    plain.to(memory_format=torch.channels_last)[1].weight.mul_(9)  # so that ReLU6 cuts above, too
    packed, x = copy.deepcopy(plain), torch.randn(1, 128, 32, 32)
    pack_convolutions(packed)
    for _ in range(2):
        torch.testing.assert_close(packed(x), plain(x), rtol=1e-4, atol=1e-4)
        assert len(calls) == 3 * can_pack()
        calls.clear()
        for of_packed, of_plain in zip(packed.parameters(), plain.parameters(), strict=True):
            of_packed.copy_(of_plain.mul_(-0.9))


def test_only_weights_that_need_no_gradient_are_kept_transformed(monkeypatch):
    made = []
    monkeypatch.setattr(fast_conv, "transformed", lambda weight: (made.append(1), winograd.transformed(weight))[1])
    x, weight, bias = tensors(1, 128, 128, 32, 32, dtype=torch.float32)
    weight = weight.contiguous(memory_format=torch.channels_last)
    for factor in (1, 2):
        weight.mul_(factor)
        for _ in range(2):
            expected = F.conv2d(x, weight, bias, padding=1)
            torch.testing.assert_close(conv2d(x, weight, bias, padding=1), expected, rtol=1e-4, atol=1e-5)
        assert len(made) == factor
    (of_x,) = torch.autograd.grad(conv2d(x.requires_grad_(), weight, bias, padding=1).sum(), x)
    (expected,) = torch.autograd.grad(F.conv2d(x, weight, bias, padding=1).sum(), x)
    torch.testing.assert_close(of_x, expected, rtol=1e-4, atol=1e-4)
    (of_bias,) = torch.autograd.grad(conv2d(x.detach(), weight, bias.requires_grad_(), padding=1).sum(), bias)
    torch.testing.assert_close(of_bias, torch.full((128,), 1024.0))
    with torch.no_grad():
        conv2d(x, weight.clone().requires_grad_(), bias, padding=1)
    assert len(made) == 2


def test_an_operation_in_place_may_follow():
    x, weight, bias = (x.requires_grad_() for x in tensors(1, 2, 3, 8, 8))
    for crop in (8, 7):
        F.relu_(Conv3x3.apply(x[:, :, :crop], weight, bias, 1)).sum().backward()


def test_layers_keep_their_norm_activation_and_padding():
    plain = Conv2d(128, 128, 3, padding=1, norm=nn.BatchNorm2d(128), activation=F.relu)
    circular = nn.Conv2d(128, 128, 3, padding=1, padding_mode="circular")
    x = torch.randn(1, 128, 32, 32)
    for layer, fast in (plain, FastDetectron2Conv2d), (circular, FastConv2d):
        expected = layer.to(memory_format=torch.channels_last)(x)
        layer.__class__ = fast
        torch.testing.assert_close(layer(x), expected, rtol=1e-4, atol=1e-4)


def test_a_subclass_of_the_user_stays_as_it_is():
    class Own(nn.Conv2d):
        pass

    net = nn.Sequential(nn.Conv2d(1, 1, 1), Conv2d(1, 1, 1), Own(1, 1, 1))
    use_fast_convolutions(net)
    assert [*map(type, net)] == [FastConv2d, FastDetectron2Conv2d, Own]


@pytest.fixture
def calls(monkeypatch):
    """The input shapes of the convolutions with fewer multiplications."""
    shapes, inputs = [], winograd._inputs
    monkeypatch.setattr(winograd, "_inputs", lambda padded: (shapes.append(padded.shape), inputs(padded))[1])
    return shapes


def a_wide_detector(tiny_cfg):
    torch.manual_seed(0)
    wide = [
        "model.backbone.out_channels=128",
        "model.head.conv_dims=[128,128]",
        "model.backbone.bottom_up.norm=FrozenBN",
    ]
    model = instantiate(tiny_cfg(REAL_NET, *wide).model)
    with torch.no_grad():
        model.head.cls_score.weight.mul_(100)
    for norm in model.modules():
        if isinstance(norm, FrozenBatchNorm2d):
            norm.running_var.uniform_(0.5, 2)
    return model


def test_a_detector_trains_with_it(tiny_cfg, calls):
    instances = Instances((256, 256), gt_boxes=Boxes(torch.tensor([[10.0, 20, 90, 90], [100, 30, 240, 160]])))
    instances.gt_classes = torch.tensor([0, 2])
    image = torch.randint(0, 256, (3, 256, 256), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    batch, exact = [{"image": image, "instances": instances}], a_wide_detector(tiny_cfg).train()
    plain, fast = copy.deepcopy(exact), optimize_for_training(copy.deepcopy(exact))
    found = []
    for model in (exact.double(), plain, fast):
        with EventStorage():
            losses = model(batch)
        sum(losses.values()).backward()
        grads = [x.grad.double().flatten() for x in model.parameters() if x.grad is not None]
        found.append((torch.stack(list(losses.values())).detach().double(), torch.cat(grads)))
        assert bool(calls) == (model is fast)
    for of_exact, of_plain, of_fast in zip(*found, strict=True):
        plain_error, error = ((value - of_exact).norm() / of_exact.norm() for value in (of_plain, of_fast))
        assert error < max(2 * plain_error, 5e-6)  # torch's own errors differ between processors


def test_a_detector_detects_with_it(tiny_cfg, calls):
    model = a_wide_detector(tiny_cfg).eval()
    fast = optimize_for_inference(model)
    image = torch.randint(0, 256, (3, 256, 256), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        expected, calls[:] = model([{"image": image}])[0]["instances"], []
        actual = fast([{"image": image}])[0]["instances"]
        assert calls
    assert len(actual) == len(expected) > 10
    of_each = (actual.pred_boxes.tensor[:, None] - expected.pred_boxes.tensor).abs().amax(2).argmin(1)
    assert sorted(of_each.tolist()) == list(range(len(expected)))  # detections of almost equal scores may change places
    assert torch.equal(actual.pred_classes, expected.pred_classes[of_each])
    torch.testing.assert_close(actual.scores, expected.scores[of_each], rtol=0, atol=1e-5)
    torch.testing.assert_close(actual.pred_boxes.tensor, expected.pred_boxes.tensor[of_each], rtol=0, atol=1e-2)


def test_layers_for_training_do_not_hinder_detection(tiny_cfg):
    plain = a_wide_detector(tiny_cfg).eval()
    ways = plain, optimize_for_training(copy.deepcopy(plain))
    kinds, others = ([type(x).__name__ for x in optimize_for_inference(model).modules()] for model in ways)
    assert kinds == others
    assert kinds.count("FastConv2d") == 2  # the box tower, which runs in parts and needs plain weights


def test_convolutions_with_a_folded_norm_take_fewer_multiplications_too(calls):
    norms = FrozenBatchNorm2d(128), FrozenBatchNorm2d(128)
    own = Conv2d(128, 128, 3, padding=1, norm=norms[0])
    plain, x = nn.Sequential(own, nn.Conv2d(128, 128, 3, padding=1), norms[1]), torch.randn(1, 128, 32, 32)
    expected = plain(x)
    torch.testing.assert_close(optimize_for_training(plain)(x), expected, rtol=1e-4, atol=1e-5)
    assert len(calls) == 2
