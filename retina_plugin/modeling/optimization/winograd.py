"""3 x 3 convolutions on a CPU with a quarter of the multiplications, and those of the transforms.

F(4 x 4, 3 x 3) of "Fast Algorithms for Convolutional Neural Networks", Lavin and Gray 2016, section 4.1: every tile of
4 x 4 outputs is A' [(G w G') * (B' x B)] A, where x is its 6 x 6 inputs and the product * in the middle is summed over
the input channels, so that it is one matrix product for each of its 36 numbers. Two-dimensional transforms are written
here as one matrix on the 36 numbers. The algorithm is that of Toom and Cook with the points 0, +-sqrt(1/2), +-sqrt(2)
and infinity. With the usual points 0, +-1, +-2 rounding errors are twice as large. An infinite or NaN input makes all
outputs of its tiles NaN, also those more than one location away.

In bfloat16, transformed inputs and weights and their products are rounded, too: errors for random numbers are up to
seven times those of a direct convolution.

N images, C input and O output channels, T tiles of all images.
"""

from collections.abc import Iterator
from functools import cache
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from numpy.polynomial.polynomial import polyfromroots
from torch import Tensor

_POINTS = np.array([0, 0.5**0.5, -(0.5**0.5), 2**0.5, -(2**0.5)])
_AT_ONCE = 2**22  # transformed numbers of inputs and outputs that are in memory at once,
_FEWEST = 128  # unless these are fewer tiles, for which reading the weights would take longer than multiplying


class Conv3x3(torch.autograd.Function):
    """F.conv2d(x, weight, bias, padding=padding) for x (N, C, H, W), weight (O, C, 3, 3) and bias (O,) or None; if
    `transposed`, F.conv_transpose2d for x (N, O, H, W) and bias (C,)."""

    @staticmethod
    def forward(x: Tensor, weight: Tensor, bias: Tensor | None, padding: int, transposed: bool = False) -> Tensor:
        return convolve(x, transformed(weight, transposed), bias, 2 - padding if transposed else padding)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
        x, weight, _, ctx.padding, ctx.transposed = inputs
        ctx.save_for_backward(x, weight)

    @staticmethod
    @torch.autocast("cpu", enabled=False)  # backward may be called where autocast is enabled
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        (grad,), (x, weight) = grads, ctx.saved_tensors
        of_x, of_weight, of_bias, *_ = ctx.needs_input_grad
        ends = (grad, x) if ctx.transposed else (x, grad)
        return (
            Conv3x3.apply(grad, weight, None, ctx.padding, not ctx.transposed) if of_x else None,
            _gradient_of_weight(*ends, ctx.padding) if of_weight else None,
            grad.sum(dim=(0, 2, 3)) if of_bias else None,
            None,
            None,
        )


@torch.no_grad()  # the bias of a packed convolution may want a gradient, which writing into `target` has not
def convolve(x: Tensor, weight: Tensor, bias: Tensor | None, padding: int) -> Tensor:
    """The convolution (N, O, H', W'), channels last, of x (N, C, H, W) with weights (36, C, O) from `transformed`."""
    n, channels, outputs = len(x), *weight.shape[1:]
    h, w = (size + 2 * padding - 2 for size in x.shape[2:])
    height, width = num_tiles(h), num_tiles(w)
    padded = _padded(x, padding, 4 * height + 2, 4 * width + 2)
    shape = n, outputs, 4 * height, 4 * width
    result = torch.empty(shape, dtype=x.dtype, device=x.device, memory_format=torch.channels_last)
    by_tile = result.permute(0, 2, 3, 1).view(n, height, 4, width, 4, outputs)
    for start, end in _blocks(n, height, width, channels + outputs):
        tiles = _outputs(padded[:, 4 * start : 4 * end + 2], weight).view(n, end - start, width, 4, 4, outputs)
        tiles, target = tiles.transpose(2, 3), by_tile[:, start:end]
        target.copy_(tiles) if bias is None else torch.add(tiles, bias, out=target)
        del tiles  # before the next ones take their memory
    is_full = (h, w) == shape[2:]  # a view would forbid an operation in place behind `Conv3x3`
    return result if is_full else result[:, :, :h, :w].clone(memory_format=torch.channels_last)


def transformed(weight: Tensor, transposed: bool = False) -> Tensor:
    """Weights for `convolve` from weights (O, C, 3, 3): (36, C, O), or (36, O, C) for the transposed convolution."""
    exact = weight.to(torch.promote_types(weight.dtype, torch.float32))
    matrix = _matrices(exact.dtype)[1]
    tiles = _apply(matrix.flip(1) if transposed else matrix, exact.permute(0, 2, 3, 1).flatten(1, 2))
    found = tiles.transpose(0, 1) if transposed else tiles.permute(1, 2, 0)
    # products in bfloat16 would lay them out so in every call
    return found if exact is weight else found.to(weight.dtype, memory_format=torch.contiguous_format)


def _gradient_of_weight(x: Tensor, grad: Tensor, padding: int) -> Tensor:
    """The gradient (O, C, 3, 3) from inputs (N, C, H, W) and the gradient (N, O, H', W') of the outputs."""
    height, width = (num_tiles(size) for size in grad.shape[2:])
    _, to_weight, to_output = _matrices(x.dtype)
    x = _padded(x, padding, 4 * height + 2, 4 * width + 2)
    grad = _padded(grad, 0, 4 * height, 4 * width)
    total = x.new_zeros(36, grad.shape[3], x.shape[3])
    for start, end in _blocks(len(x), height, width, x.shape[3] + grad.shape[3]):
        outputs = _apply(to_output.t(), _tiles(grad[:, 4 * start : 4 * end], 4))
        inputs = _inputs(x[:, 4 * start : 4 * end + 2])
        total.baddbmm_(outputs.permute(1, 2, 0), inputs.transpose(0, 1))
        del inputs, outputs
    return _apply(to_weight.t(), total.transpose(0, 1)).unflatten(1, (3, 3)).permute(0, 3, 1, 2)


def _outputs(padded: Tensor, weight: Tensor) -> Tensor:
    """Output tiles (T, 16, O) of inputs (N, 4 Y + 2, 4 X + 2, C) and transformed weights (36, C, O)."""
    products = torch.bmm(_inputs(padded).transpose(0, 1), weight)
    return _apply(_matrices(padded.dtype)[2], products.transpose(0, 1))


def _inputs(padded: Tensor) -> Tensor:
    """Transformed tiles (T, 36, C) of inputs (N, 4 Y + 2, 4 X + 2, C)."""
    return _apply(_matrices(padded.dtype)[0], _tiles(padded, 6))


def _tiles(x: Tensor, size: int) -> Tensor:
    """Squares (T, size * size, C) of maps (N, H, W, C), four locations apart."""
    tiles = x.unfold(1, size, 4).unfold(2, size, 4)
    return tiles.permute(0, 1, 2, 4, 5, 3).reshape(-1, size * size, x.shape[3])


def _padded(x: Tensor, margin: int, height: int, width: int) -> Tensor:
    """Maps (N, height, width, C) of x (N, C, H, W): zeros above and left of it in the margin, and up to the size."""
    below, right = height - x.shape[2] - margin, width - x.shape[3] - margin
    sides = margin, right, margin, below
    return (F.pad(x, sides) if any(sides) else x).permute(0, 2, 3, 1)


def _apply(matrix: Tensor, tiles: Tensor) -> Tensor:
    """Matrix (J, I) on every tile (T, I, C): a product for each takes less time than one for all."""
    return torch.bmm(matrix.expand(len(tiles), -1, -1), tiles)


def _blocks(n: int, height: int, width: int, channels: int) -> Iterator[tuple[int, int]]:
    """First and last + 1 of the rows of tiles that are computed at once."""
    tiles = max(_FEWEST, _AT_ONCE // (36 * channels))
    rows = max(1, tiles // (n * width))
    return ((start, min(height, start + rows)) for start in range(0, height, rows))


def num_tiles(locations: int) -> int:
    """Number of tiles in a row or column of locations."""
    return -(-locations // 4)


@cache
@torch.inference_mode(mode=False)  # later calls may need gradients
def _matrices(dtype: torch.dtype) -> tuple[Tensor, Tensor, Tensor]:
    """B' (36, 36) for inputs, G (36, 9) for weights and A' (16, 36) for outputs, two-dimensional."""
    powers = np.vander(_POINTS, 4, increasing=True)
    others = [np.delete(_POINTS, i) for i in range(len(_POINTS))]
    scale = [np.prod(point - rest) for point, rest in zip(_POINTS, others, strict=True)]
    of_input = np.vstack([*(np.append(polyfromroots(rest), 0) for rest in others), polyfromroots(_POINTS)])
    of_weight = np.vstack([powers[:, :3] / np.array(scale)[:, None], [0, 0, 1]])
    of_output = np.vstack([powers, [0, 0, 0, 1]]).T
    b, g, a = (torch.from_numpy(np.kron(matrix, matrix)).to(dtype) for matrix in (of_input, of_weight, of_output))
    return b, g, a
