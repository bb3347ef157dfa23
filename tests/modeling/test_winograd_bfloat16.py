"""Convolutions with fewer multiplications in bfloat16: larger rounding errors, within bounds; weights in float32."""

import copy
import itertools

import pytest
import torch
import torch.nn.functional as F
from conftest import REAL_NET
from detectron2.config import instantiate
from detectron2.structures import Boxes, Instances
from detectron2.utils.events import EventStorage
from torch import nn

from retina_plugin.engine.reliability.precision import precision
from retina_plugin.inference import optimize_for_inference
from retina_plugin.modeling import DenseNetwork, optimize_for_training
from retina_plugin.modeling.optimization import fast_conv, processor, winograd
from retina_plugin.modeling.optimization.fast_conv import conv2d
from retina_plugin.modeling.optimization.winograd import Conv3x3

ONE = ((1, 1), (1, 1), (1, 1), 1)  # stride, padding, dilation, groups


def tensors(channels=128, outputs=128, size=40):
    """Images in bfloat16; weights, laid out with channels last, and bias in float32; gradient of the result."""
    rng = torch.Generator().manual_seed(0)
    shapes = (1, channels, size, size), (outputs, channels, 3, 3), (outputs,), (1, outputs, size, size)
    x, weight, bias, grad = (torch.randn(shape, generator=rng) for shape in shapes)
    weight = (weight / (9 * channels) ** 0.5).contiguous(memory_format=torch.channels_last)
    return x.bfloat16(), weight, bias, grad.bfloat16()


def everything(conv, x, weight, bias, grad):
    """Result, and gradients of x, weight and bias."""
    arguments = [value.detach().requires_grad_() for value in (x, weight, bias)]
    result = conv(*arguments, 1)
    return result.detach(), *torch.autograd.grad(result, arguments, grad)


def plain(x, weight, bias, padding):
    return F.conv2d(x, weight, bias, padding=padding)


def error(actual, expected):
    """Norm of the difference, relative to that of what is expected."""
    return float((actual.double() - expected).detach().norm() / expected.detach().norm())


def test_results_and_gradients_up_to_rounding():
    values = tensors(256, 256)
    expected = everything(plain, *(value.double() for value in values))
    found = everything(Conv3x3.apply, *values)
    for name, actual, exact in zip(("result", "x", "weight", "bias"), found, expected, strict=True):
        assert error(actual, exact) < (1e-6 if name == "bias" else 0.02), name
    assert [value.dtype for value in found] == [torch.bfloat16, torch.bfloat16, torch.float32, torch.float32]
    assert found[0].is_contiguous(memory_format=torch.channels_last)


def test_images_with_smooth_features_have_smaller_errors():
    x, weight, bias, _ = tensors()
    x = F.avg_pool2d(x.float().relu(), 3, 1, 1).bfloat16()  # neighbours alike, no number negative
    exact = plain(x.double(), weight.double(), bias.double(), 1)
    assert error(Conv3x3.apply(x, weight, bias, 1), exact) < 0.008


def test_blocks_are_summed_in_float32(monkeypatch):
    x, weight, bias, grad = tensors(8, 8, 256)
    exact = everything(plain, *(value.double() for value in (x, weight, bias, grad)))
    whole = everything(Conv3x3.apply, x, weight, bias, grad)
    monkeypatch.setattr(winograd, "_AT_ONCE", 1)
    monkeypatch.setattr(winograd, "_FEWEST", 1)
    of_blocks = everything(Conv3x3.apply, x, weight, bias, grad)
    assert all(map(torch.equal, of_blocks[:2], whole))  # 64 blocks
    assert error(of_blocks[2], exact[2]) < 0.02


def test_autocast_does_not_change_how_weights_are_transformed():
    values = tensors()
    outside = everything(Conv3x3.apply, *values)
    frozen = conv2d_without_gradient(*values[:3])
    with torch.autocast("cpu", torch.bfloat16):
        assert all(map(torch.equal, everything(Conv3x3.apply, *values), outside))
        assert torch.equal(conv2d_without_gradient(*values[:3]), frozen)
        assert torch.is_autocast_enabled("cpu")
    assert torch.equal(frozen, outside[0])


def conv2d_without_gradient(x, weight, bias):
    return fast_conv.convolve_with_kept(x, weight.clone(memory_format=torch.preserve_format), bias, 1)


@pytest.fixture(params=[True, False])
def has_products(request, monkeypatch):
    """Whether the processor is taken to have products in bfloat16; the results are right either way."""
    monkeypatch.setattr(fast_conv, "has_bfloat16_products", lambda: request.param)
    return request.param


@pytest.mark.parametrize("of_x", [torch.float32, torch.bfloat16])
def test_it_is_used_in_mixed_precision(has_products, calls, of_x):
    x, weight, bias, grad = tensors()
    arguments = [x.to(of_x).requires_grad_(), weight.requires_grad_(), bias.requires_grad_()]
    with torch.autocast("cpu", torch.bfloat16):
        result, expected = (conv(*arguments, *ONE) for conv in (conv2d, F.conv2d))
    assert result.dtype == expected.dtype == torch.bfloat16
    assert error(result, expected.double()) < 0.02
    assert torch.equal(result, expected) != has_products
    for actual, plain_one in zip(*(torch.autograd.grad(y, arguments, grad) for y in (result, expected)), strict=True):
        assert actual.dtype == plain_one.dtype
        assert error(actual, plain_one.double()) < 0.025
    assert len(calls) == 3 * has_products


def test_it_is_used_in_bfloat16(has_products, calls):
    x, weight, bias, _ = tensors()
    exact = plain(x.double(), weight.double(), bias.double(), 1)
    assert error(conv2d(x, weight.bfloat16(), bias.bfloat16(), *ONE), exact) < 0.02
    assert len(calls) == has_products


def test_layouts_of_both_precisions_are_kept(monkeypatch):
    made = []
    monkeypatch.setattr(fast_conv, "has_bfloat16_products", lambda: True)
    monkeypatch.setattr(fast_conv, "transformed", lambda *x, **y: (made.append(1), winograd.transformed(*x, **y))[1])
    x, weight, bias, _ = tensors()
    for _ in range(2):
        exact = conv2d(x.float(), weight, bias, *ONE)
        with torch.autocast("cpu", torch.bfloat16):
            assert error(conv2d(x, weight, bias, *ONE), exact.double()) < 0.02
    assert len(made) == 2


def test_weights_are_transformed_exactly_and_rounded_once():
    weight = tensors()[1]
    for transposed in (False, True):
        exact = winograd.transformed(weight.double(), torch.float64, transposed)
        torch.testing.assert_close(
            winograd.transformed(weight, torch.bfloat16, transposed).double(), exact, rtol=2**-8, atol=1e-6
        )


def test_float64_stays_float64_in_mixed_precision(monkeypatch, calls):
    monkeypatch.setattr(fast_conv, "has_bfloat16_products", lambda: True)
    x, weight, bias = (value.double() for value in tensors()[:3])
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(conv2d(x, weight, bias, *ONE), plain(x, weight, bias, 1))
    assert not calls


def test_it_is_not_used_with_instructions_on_matrices(monkeypatch):
    for library, vectors, matrices in itertools.product([True, False], repeat=3):
        monkeypatch.setattr(torch.backends.mkldnn, "is_available", lambda library=library: library)
        monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda vectors=vectors: vectors, raising=False)
        monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda matrices=matrices: matrices, raising=False)
        assert processor.has_bfloat16_products() == (library and vectors and not matrices)


@pytest.fixture
def calls(monkeypatch):
    """The input shapes of the convolutions with fewer multiplications."""
    shapes, inputs = [], winograd._inputs
    monkeypatch.setattr(winograd, "_inputs", lambda padded: (shapes.append(padded.shape), inputs(padded))[1])
    return shapes


def test_layers_train_with_it(calls, monkeypatch):
    monkeypatch.setattr(fast_conv, "has_bfloat16_products", lambda: True)
    torch.manual_seed(0)
    convs = [nn.Conv2d(128, 128, 3, padding=1) for _ in range(3)]
    exact, (x, *_, grad) = nn.Sequential(*convs), tensors()  # a ReLU near 0 would make a large error of a small one
    fast, grads = optimize_for_training(copy.deepcopy(exact)), []
    for net, dtype, images in (exact.double(), None, x.double()), (fast, torch.bfloat16, x.float()):
        with precision("cpu", dtype):
            net(images).backward(grad.to(torch.float64 if net is exact else torch.bfloat16))
        grads.append([p.grad.double() for p in net.parameters()])
    assert len(calls) == 8  # forward, of weights, and of features but the images
    for of_exact, of_fast in zip(*grads, strict=True):
        assert error(of_fast, of_exact) < 0.06


def a_wide_detector(tiny_cfg):
    torch.manual_seed(0)
    wide = ["model.backbone.out_channels=128", "model.head.conv_dims=[128,128]"]
    model = instantiate(tiny_cfg(REAL_NET, *wide, "model.backbone.bottom_up.norm=FrozenBN").model)
    with torch.no_grad():
        model.head.cls_score.weight.mul_(100)
        model.head.cls_score.bias.zero_()
    return model


IMAGE = torch.randint(0, 256, (3, 256, 256), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


def test_a_detector_trains_with_it(tiny_cfg, calls, monkeypatch):
    monkeypatch.setattr(fast_conv, "has_bfloat16_products", lambda: True)
    instances = Instances((256, 256), gt_boxes=Boxes(torch.tensor([[10.0, 20, 90, 90], [100, 30, 240, 160]])))
    instances.gt_classes = torch.tensor([0, 2])
    exact = a_wide_detector(tiny_cfg).train()
    fast, found = optimize_for_training(copy.deepcopy(exact)), []
    for model, dtype in (exact.double(), None), (fast, torch.bfloat16):
        with EventStorage(), precision("cpu", dtype):
            losses = model([{"image": IMAGE, "instances": instances}])
        sum(losses.values()).backward()
        of_head = model.head.cls_subnet[0].weight.grad.double()
        found.append((torch.stack(list(losses.values())).detach().double(), of_head))
        assert bool(calls) == (model is fast)
    for of_exact, of_fast in zip(*found, strict=True):
        assert error(of_fast, of_exact) < 0.05


@torch.no_grad()
def test_a_detector_detects_with_it(tiny_cfg, calls, monkeypatch):
    monkeypatch.setattr(fast_conv, "has_bfloat16_products", lambda: True)
    model = a_wide_detector(tiny_cfg).eval()
    exact, fast = (
        DenseNetwork(net)(net.preprocess_image([{"image": IMAGE}]).tensor)
        for net in (model, optimize_for_inference(model, "bfloat16"))
    )
    assert calls
    for of_exact, of_fast in zip((*exact[0], *exact[1]), (*fast[0], *fast[1]), strict=True):
        mean = of_exact.double().mean()
        assert error(of_fast.double() - mean, of_exact.double() - mean) < 0.05
