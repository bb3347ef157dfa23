"""Convolutions with fewer multiplications in bfloat16: for inference only, with larger errors, within bounds."""

import copy
import itertools

import pytest
import torch
import torch.nn.functional as F
from conftest import REAL_NET
from detectron2.config import instantiate
from torch import nn

from retina_plugin.inference import optimize_for_inference
from retina_plugin.inference.packing import can_pack, pack_convolutions
from retina_plugin.modeling import DenseNetwork
from retina_plugin.modeling.optimization import fast_conv, processor, winograd
from retina_plugin.modeling.optimization.fast_conv import conv2d

ONE = ((1, 1), (1, 1), (1, 1), 1)  # stride, padding, dilation, groups


def tensors(channels=128, outputs=128, size=40):
    """Images, weights, laid out with channels last, and bias, in bfloat16."""
    rng = torch.Generator().manual_seed(0)
    shapes = (1, channels, size, size), (outputs, channels, 3, 3), (outputs,)
    x, weight, bias = (torch.randn(shape, generator=rng) for shape in shapes)
    weight = (weight / (9 * channels) ** 0.5).contiguous(memory_format=torch.channels_last)
    return x.bfloat16(), weight.bfloat16(), bias.bfloat16()


def exact(x, weight, bias, padding=1):
    return F.conv2d(x.double(), weight.double(), bias.double(), padding=padding)


def error(actual, expected):
    """Norm of the difference, relative to that of what is expected."""
    return float((actual.detach().double() - expected).norm() / expected.norm())


@pytest.fixture
def calls(monkeypatch):
    """The input shapes of the convolutions with fewer multiplications."""
    shapes, inputs = [], winograd._inputs
    monkeypatch.setattr(winograd, "_inputs", lambda padded: (shapes.append(padded.shape), inputs(padded))[1])
    return shapes


@pytest.fixture(params=[True, False])
def has_products(request, monkeypatch):
    """Whether the processor is taken to have products in bfloat16; the results are right either way."""
    monkeypatch.setattr(fast_conv, "has_bfloat16_products", lambda: request.param)
    return request.param


@pytest.mark.parametrize("padding", [0, 1])
def test_results_up_to_rounding(has_products, calls, padding):
    x, weight, bias = tensors(256, 256)
    found = conv2d(x, weight, bias, padding=padding)
    expected = exact(x, weight, bias, padding)
    of_torch = error(F.conv2d(x, weight, bias, padding=padding), expected)
    assert error(found, expected) < min(7 * of_torch, 0.02)
    assert found.dtype == torch.bfloat16 and found.is_contiguous(memory_format=torch.channels_last)
    assert bool(calls) == has_products


def test_smooth_features_have_smaller_errors(monkeypatch):
    monkeypatch.setattr(fast_conv, "has_bfloat16_products", lambda: True)
    x, weight, bias = tensors()
    x = F.avg_pool2d(x.float().relu(), 3, 1, 1).bfloat16()  # similar neighbours, no negative values
    assert error(conv2d(x, weight, bias, *ONE), exact(x, weight, bias)) < 0.008


def test_weights_are_transformed_in_float32_and_rounded_once():
    weight = tensors()[1]
    for transposed in (False, True):
        expected = winograd.transformed(weight.double(), transposed)
        found = winograd.transformed(weight, transposed)
        torch.testing.assert_close(found.double(), expected, rtol=2**-8, atol=1e-6)
        assert found.is_contiguous()  # products would copy them in every call


@pytest.mark.parametrize("of", range(3))
def test_gradients_are_those_of_torch(monkeypatch, calls, of):
    monkeypatch.setattr(fast_conv, "has_bfloat16_products", lambda: True)
    arguments = list(tensors())
    arguments[of].requires_grad_()
    found, expected = (
        torch.autograd.grad(conv(*arguments, *ONE).sum(), arguments[of])[0] for conv in (conv2d, F.conv2d)
    )
    assert torch.equal(found, expected) and not calls


def test_mixed_precision_is_that_of_torch(monkeypatch, calls):
    monkeypatch.setattr(fast_conv, "has_bfloat16_products", lambda: True)
    x, weight, bias = tensors()
    for arguments in (x, weight, bias), (x.float(), weight.float(), bias.float()), (x, weight.float(), bias.float()):
        with torch.autocast("cpu", torch.bfloat16):
            assert torch.equal(conv2d(*arguments, *ONE), F.conv2d(*arguments, *ONE))
    assert not calls


def test_it_is_not_used_with_instructions_on_matrices(monkeypatch):
    for library, vectors, matrices in itertools.product([True, False], repeat=3):
        monkeypatch.setattr(torch.backends.mkldnn, "is_available", lambda library=library: library)
        monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda vectors=vectors: vectors, raising=False)
        monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda matrices=matrices: matrices, raising=False)
        assert processor.has_bfloat16_products() == (library and vectors and not matrices)


@torch.no_grad()
@pytest.mark.skipif(not can_pack(), reason="oneDNN is absent")
def test_packed_convolutions_use_it(calls, monkeypatch):
    monkeypatch.setattr(fast_conv, "has_bfloat16_products", lambda: True)
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(128, 128, 3, padding=1), nn.ReLU()).to(memory_format=torch.channels_last).bfloat16()
    packed, x = copy.deepcopy(net), tensors()[0]
    pack_convolutions(packed)
    assert error(packed(x), exact(x, net[0].weight, net[0].bias).relu()) < 0.02
    assert len(calls) == packed[0]._suits(x)  # torch computes it without instructions for vectors of 512 bits


@torch.no_grad()
def test_a_detector_detects_with_it(tiny_cfg, calls, monkeypatch):
    monkeypatch.setattr(fast_conv, "has_bfloat16_products", lambda: True)
    torch.manual_seed(0)
    wide = ["model.backbone.out_channels=128", "model.head.conv_dims=[128,128]"]
    model = instantiate(tiny_cfg(REAL_NET, *wide, "model.backbone.bottom_up.norm=FrozenBN").model).eval()
    model.head.cls_score.weight.mul_(100)
    model.head.cls_score.bias.zero_()
    image = torch.randint(0, 256, (3, 256, 256), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    plain, fast = (
        DenseNetwork(net)(net.preprocess_image([{"image": image}]).tensor)
        for net in (model, optimize_for_inference(model, "bfloat16"))
    )
    assert calls
    for of_plain, of_fast in zip((*plain[0], *plain[1]), (*fast[0], *fast[1]), strict=True):
        mean = of_plain.double().mean()
        assert error(of_fast.double() - mean, of_plain.double() - mean) < 0.05
