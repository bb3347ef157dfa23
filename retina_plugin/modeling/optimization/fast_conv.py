"""Convolutions that need fewer multiplications where this takes less time, see `winograd`."""

from typing import Any

import torch
import torch.nn.functional as F
from detectron2.layers import Conv2d
from torch import Tensor, nn
from torch.nn.modules.utils import _pair

from .layouts import kept_layout
from .processor import has_bfloat16_products, has_float32_products
from .winograd import Conv3x3, convolve, num_tiles, transformed

_CHANNELS, _TILES = 128, 64  # measured: with less, a direct convolution takes as long


def conv2d(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    stride: Any = (1, 1),
    padding: Any = (0, 0),
    dilation: Any = (1, 1),
    groups: int = 1,
) -> Tensor:
    """F.conv2d, up to rounding."""
    if is_faster(x, weight, stride, padding, dilation):
        wants_gradient = torch.is_grad_enabled() and (x.requires_grad or (bias is not None and bias.requires_grad))
        if not wants_gradient and not weight.requires_grad:
            return convolve_with_kept(x, weight, bias, padding)
        if x.dtype == torch.float32:  # in bfloat16 errors of gradients would be even larger than those of results
            return Conv3x3.apply(x, weight, bias, _pair(padding)[0])
    return F.conv2d(x, weight, bias, stride, padding, dilation, groups)


def convolve_with_kept(x: Tensor, weight: Tensor, bias: Tensor | None, padding: Any) -> Tensor:
    """`convolve` where no gradient is needed; the transformed weights are four times as many numbers as the weights."""
    return convolve(x, kept_layout(weight, "winograd", transformed), bias, _pair(padding)[0])


def use_fast_convolutions(module: nn.Module) -> None:
    """Let the convolutions of a module use `conv2d`, in place; a subclass of the user stays as it is."""
    for conv in module.modules():
        conv.__class__ = _FAST.get(type(conv), type(conv))


def is_faster(x: Tensor, weight: Tensor, stride: Any, padding: Any, dilation: Any) -> bool:
    """Whether fewer multiplications take less time: on a CPU, in float32 or bfloat16, for 3 x 3 convolutions with
    stride 1, padding 0 or 1 and one group, many channels, large maps (N, C, H, W) and weights with channels last."""
    if torch.jit.is_tracing() or torch.compiler.is_compiling() or torch.is_autocast_enabled("cpu"):
        return False
    if type(x) is not Tensor or x.device.type != "cpu" or x.dtype != weight.dtype:
        return False  # nor for a proxy of torch.fx, a fake tensor, or a subclass of the user
    outputs, channels, *kernel = weight.shape
    if kernel != [3, 3] or min(outputs, channels) < _CHANNELS or x.dim() != 4 or x.shape[1] != channels:
        return False
    stride, padding, dilation = map(_pair, (stride, padding, dilation))
    if not stride == dilation == (1, 1) or padding not in ((0, 0), (1, 1)):
        return False
    height, width = (num_tiles(size + 2 * padding[0] - 2) for size in x.shape[2:])
    # results lie with channels last, which a model that `optimize_for_training` does not lay out so must not see
    is_last = weight.is_contiguous(memory_format=torch.channels_last)
    return len(x) * height * width >= _TILES and is_last and _multiplies_fast(x.dtype)


def _multiplies_fast(dtype: torch.dtype) -> bool:
    if dtype == torch.bfloat16:
        return has_bfloat16_products()
    return dtype == torch.float32 and has_float32_products()


class FastConv2d(nn.Conv2d):
    """nn.Conv2d with `conv2d`; state, shapes and results are the same, the latter up to rounding."""

    def _conv_forward(self, x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        if self.padding_mode != "zeros":
            return super()._conv_forward(x, weight, bias)
        return conv2d(x, weight, bias, self.stride, self.padding, self.dilation, self.groups)


class FastDetectron2Conv2d(Conv2d):
    """Detectron2's Conv2d with `conv2d`. Like that, it pads with zeros whatever its padding_mode."""

    def forward(self, x: Tensor) -> Tensor:
        x = conv2d(x, self.weight, self.bias, self.stride, self.padding, self.dilation, self.groups)
        x = x if self.norm is None else self.norm(x)
        return x if self.activation is None else self.activation(x)


_FAST = {nn.Conv2d: FastConv2d, Conv2d: FastDetectron2Conv2d}
PLAIN = {fast: plain for plain, fast in _FAST.items()}
