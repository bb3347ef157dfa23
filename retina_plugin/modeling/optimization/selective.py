"""Run the box tower of a head only where boxes are needed. N images, M locations, D outputs.

Detection needs boxes for its candidates, training for foreground anchors. On natural images both lie in a small part of
the pyramid. A box depends on the features within the receptive field of the tower, so squares of locations are cut out
with that margin, from all levels into one batch, since levels share the tower. Outside of the feature map every
convolution sees zeros, as with its padding. The boxes, and their gradients, are the same up to rounding. (QueryDet,
Yang et al. 2022, computes sparsely too, with a network that is trained to predict where.)
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .fast_conv import FastConv2d, conv2d
from .norms import has_hooks

_SIDES = (4, 8, 16)  # sides of a square, in locations
_WORTH = 0.8  # squares are computed if they take less than this share of the multiplications for the whole level
_BATCH = 8  # the number of squares is a multiple of this: a convolution is set up anew for every new batch size


class Places(NamedTuple):
    """M locations of a pyramid: (M,) indices of level and image, and y * W + x."""

    level: Tensor
    image: Tensor
    location: Tensor


def tower_layers(tower: nn.Module, last: nn.Module) -> list[nn.Module] | None:
    """The layers of a tower and its last convolution; None if one of them has hooks, or needs more than the
    features around a location.

    Convolutions must be 3 x 3 with stride 1 and padding 1, everything else a ReLU or an Identity.
    """
    layers = [*tower, last] if type(tower) is nn.Sequential else [tower, last]
    is_known = all(_is_plain(x) if isinstance(x, nn.Conv2d) else type(x) in (nn.ReLU, nn.Identity) for x in layers)
    if any(map(has_hooks, (tower, *layers))):
        return None
    return layers if is_known else None


def _is_plain(conv: nn.Conv2d) -> bool:
    shape = (conv.kernel_size, conv.stride, conv.padding, conv.dilation, conv.padding_mode)
    return type(conv) in (nn.Conv2d, FastConv2d) and shape == ((3, 3), (1, 1), (1, 1), (1, 1), "zeros")


def outputs_at(layers: Sequence[nn.Module], features: Sequence[Tensor], places: Places) -> Tensor:
    """Outputs (M, D) of the layers at some places; features are (N, C, Hi, Wi) per level.

    Without any place the layers still take part in the graph with zero gradients, as if whole levels were computed.
    """
    side, in_squares = _choose(layers, features, places)
    found, order = [], []
    for i in range(len(features)):
        own = (places.level == i).nonzero()[:, 0]
        if i not in in_squares and len(own):
            whole = features[i]
            for layer in layers:
                whole = layer(whole)
            rows = whole.permute(0, 2, 3, 1).flatten(1, 2)
            found.append(rows[places.image[own], places.location[own]])
            order.append(own)
    own = torch.isin(places.level, places.level.new_tensor(in_squares)).nonzero()[:, 0]
    if len(own) or not found:
        found.append(_in_squares(layers, features, Places(*(x[own] for x in places)), side))
        order.append(own)
    return torch.cat(found)[torch.cat(order).argsort()]


def _choose(layers: Sequence[nn.Module], features: Sequence[Tensor], places: Places) -> tuple[int, list[int]]:
    """The side of squares with the lowest cost, and the levels that cost less in squares than as a whole."""
    num_convs = sum(isinstance(layer, nn.Conv2d) for layer in layers)
    whole = [num_convs * feature[:, 0].numel() for feature in features]
    choices = []
    for side in _SIDES:
        of_square = sum((side + 2 * margin) ** 2 for margin in range(num_convs))
        squares = _squares(features, places, side)[0]
        number = torch.bincount(squares[:, 0], minlength=len(features)).tolist()
        in_squares = [i for i, all_of_it in enumerate(whole) if number[i] * of_square < _WORTH * all_of_it]
        cost = sum(number[i] * of_square if i in in_squares else all_of_it for i, all_of_it in enumerate(whole))
        choices.append((cost, side, in_squares))
    return min(choices)[1:]


def _squares(features: Sequence[Tensor], places: Places, side: int) -> tuple[Tensor, Tensor]:
    """Level, image, row and column (S, 4) of the squares that contain places, and the square (M,) of each place."""
    most = max(max(feature.shape) for feature in features)  # of images, rows and columns
    width = _of_level(features, 3, places.level)
    y, x = places.location // width // side, places.location % width // side
    codes, square = (((places.level * most + places.image) * most + y) * most + x).unique(return_inverse=True)
    digits = (codes // most**3, codes // most**2 % most, codes // most % most, codes % most)
    return torch.stack(digits, dim=1), square


def _of_level(features: Sequence[Tensor], dim: int, level: Tensor) -> Tensor:
    return level.new_tensor([feature.shape[dim] for feature in features])[level]


def _in_squares(layers: Sequence[nn.Module], features: Sequence[Tensor], places: Places, side: int) -> Tensor:
    """Outputs (M, D) at places, computed in squares."""
    margin = sum(isinstance(layer, nn.Conv2d) for layer in layers)
    squares, square = _squares(features, places, side)
    squares = F.pad(squares, (0, 0, 0, -len(squares) % _BATCH or _BATCH * (not len(squares))))
    cut, outside = _cut(features, squares, side, margin)
    for layer in layers:
        if not isinstance(layer, nn.Conv2d):
            cut = layer(cut)
            continue
        cut = conv2d(cut.masked_fill(outside, 0), layer.weight, layer.bias)  # shrinks the margin by one location
        outside = outside[:, :, 1:-1, 1:-1]
    width = _of_level(features, 3, places.level)
    row = (square * side + places.location // width % side) * side + places.location % width % side
    return cut.permute(0, 2, 3, 1).flatten(0, 2).index_select(0, row)


def _cut(features: Sequence[Tensor], squares: Tensor, side: int, margin: int) -> tuple[Tensor, Tensor]:
    """Features (S, C, L, L) of squares with their margin, L = side + 2 margin, and mask (S, 1, L, L) of padding."""
    steps = torch.arange(-margin, side + margin, device=squares.device)
    level = squares[:, 0]
    height, width = (_of_level(features, dim, level)[:, None] for dim in (2, 3))
    y, x = (squares[:, k, None] * side + steps for k in (2, 3))
    inside = ((y >= 0) & (y < height))[:, :, None] & ((x >= 0) & (x < width))[:, None, :]
    sizes = [len(feature) * feature.shape[2] * feature.shape[3] for feature in features]
    start = level.new_tensor([0, *sizes]).cumsum(0)[level]
    row = (y + squares[:, 1, None] * height)[:, :, None] * width[:, :, None] + x[:, None, :] + start[:, None, None]
    rows = torch.cat([feature.permute(0, 2, 3, 1).flatten(0, 2) for feature in features])
    cut = rows.index_select(0, row.where(inside, row.new_zeros(())).flatten())
    return cut.view(*row.shape, -1).permute(0, 3, 1, 2), ~inside[:, None]
