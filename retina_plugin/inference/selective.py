"""The box tower of a head where candidates are, instead of everywhere. N images, A anchors per location.

Boxes are needed for the candidates only, which on natural images lie in a small part of a level. A box depends on the
features within the receptive field of the tower, so squares of locations that hold candidates are cut out with that
margin and computed alone. Outside of the image every convolution sees zeros, as its padding gives. Nothing is trained
for this, and the boxes are the same up to rounding. (QueryDet, Yang et al. 2022, computes sparsely too, with a network
that is trained to say where.)
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .folding import has_hooks

_SIDE = 16  # locations of a square
_WORTH = 0.8  # squares are computed if they take less than this share of the multiplications for the whole level


def tower_layers(tower: nn.Module, last: nn.Module) -> list[nn.Module] | None:
    """The layers of a tower and its last convolution; None if one of them needs more than the features around it,
    or has hooks.

    Convolutions must be 3 x 3 with stride 1 and padding 1, everything else a ReLU or an Identity.
    """
    layers = [*tower, last] if type(tower) is nn.Sequential else [tower, last]
    is_known = all(_is_plain(x) if isinstance(x, nn.Conv2d) else type(x) in (nn.ReLU, nn.Identity) for x in layers)
    if any(map(has_hooks, (tower, *layers))):
        return None
    return layers if is_known else None


def _is_plain(conv: nn.Conv2d) -> bool:
    shape = (conv.kernel_size, conv.stride, conv.padding, conv.dilation, conv.padding_mode)
    return type(conv) is nn.Conv2d and shape == ((3, 3), (1, 1), (1, 1), (1, 1), "zeros")


def outputs_at(layers: Sequence[nn.Module], feature: Tensor, locations: Sequence[Tensor]) -> list[Tensor]:
    """Outputs (M, D) of the layers at some locations of every image.

    Args:
        feature: (N, C, H, W).
        locations: per image (M,), y * W + x.
    """
    width = feature.shape[3]
    images = torch.cat([torch.full_like(own, i) for i, own in enumerate(locations)])
    y, x = (torch.cat([f(own) for own in locations]) for f in (lambda p: p // width, lambda p: p % width))
    squares = torch.stack([images, y // _SIDE, x // _SIDE], dim=1)
    squares, place = squares.unique(dim=0, return_inverse=True)
    if not len(squares):
        return [feature.new_zeros(0, layers[-1].out_channels) for _ in locations]
    if _takes_less(layers, feature, len(squares)):
        found = _in_squares(layers, feature, squares)[place, :, y % _SIDE, x % _SIDE]
    else:
        whole = feature
        for layer in layers:
            whole = layer(whole)
        found = whole[images, :, y, x]
    return list(found.split([len(own) for own in locations]))


def _takes_less(layers: Sequence[nn.Module], feature: Tensor, num_squares: int) -> bool:
    num_convs = sum(isinstance(layer, nn.Conv2d) for layer in layers)
    of_square = sum((_SIDE + 2 * margin) ** 2 for margin in range(num_convs))
    return num_squares * of_square < _WORTH * num_convs * feature[:, 0].numel()


def _in_squares(layers: Sequence[nn.Module], feature: Tensor, squares: Tensor) -> Tensor:
    """(S, D, 16, 16) the outputs of the layers in squares (S, 3) of image, row and column."""
    margin = sum(isinstance(layer, nn.Conv2d) for layer in layers)
    height, width = feature.shape[-2:]
    right, bottom = (-size % _SIDE + margin for size in (width, height))
    padded = F.pad(feature, (margin, right, margin, bottom))
    side = _SIDE + 2 * margin
    corners = [(image, row * _SIDE, column * _SIDE) for image, row, column in squares.tolist()]
    cut = torch.stack([padded[i, :, y : y + side, x : x + side] for i, y, x in corners])
    cut = cut.contiguous(memory_format=torch.channels_last)
    inside = _inside(squares, side, margin, height, width).to(cut.dtype)
    for layer in layers:
        if not isinstance(layer, nn.Conv2d):
            cut = layer(cut)
            continue
        cut = F.conv2d(cut * inside, layer.weight, layer.bias)  # each takes one location of the margin off
        inside = inside[:, :, 1:-1, 1:-1]
    return cut


def _inside(squares: Tensor, side: int, margin: int, height: int, width: int) -> Tensor:
    """(S, 1, side, side) whether a location of a square with its margin lies in the image."""
    steps = torch.arange(side, device=squares.device) - margin
    y, x = (squares[:, k, None] * _SIDE + steps for k in (1, 2))
    return (((y >= 0) & (y < height))[:, :, None] & ((x >= 0) & (x < width))[:, None, :])[:, None]
