"""Faster training steps for a detector, with the same weights."""

import torch
from detectron2.layers import Conv2d, FrozenBatchNorm2d
from torch import Tensor, nn

from ..meta_arch import PluggableRetinaNet
from .fast_conv import PLAIN, FastConv2d, conv2d, use_fast_convolutions
from .norms import foldable_pairs, folded_weights


def optimize_for_training(model: nn.Module) -> nn.Module:
    """Make training steps of a detector faster, in place, and return it. Losses and gradients agree up to rounding.

    Weights are laid out with channels last, unless torch's gradient would then crash. FrozenBatchNorm2d is folded into
    the weights of the convolution before it in each step, where `foldable_pairs` finds the two. On a CPU in float32,
    large 3 x 3 convolutions are computed with fewer multiplications, see `winograd`. The box tower of a
    PluggableRetinaNet runs only around foreground anchors, see `selective`. Names, shapes and values in the state dict
    do not change.
    """
    if not any(map(_crashes_with_channels_last, model.modules())):
        model.to(memory_format=torch.channels_last)
    for conv, norm, _, _ in list(foldable_pairs(model, lambda norm: type(norm) is FrozenBatchNorm2d)):
        object.__setattr__(conv, "_folded", norm)  # no child module, so the state dict keeps its names
        conv.__class__ = _FoldedDetectron2Conv2d if type(conv) is Conv2d else _FoldedConv2d
        norm.__class__ = _FoldedNorm
    use_fast_convolutions(model)
    if isinstance(model, PluggableRetinaNet):
        model.selective_boxes = True
    return model


def undo_training_layers(module: nn.Module) -> nn.Module:
    """Give the layers of a module their own classes back, in place, and return the module."""
    for part in module.modules():
        if type(part) in _PLAIN:
            part.__dict__.pop("_folded", None)
            part.__class__ = _PLAIN[type(part)]
    return module


def _crashes_with_channels_last(module: nn.Module) -> bool:
    """Whether a module is a strided 1 x 1 convolution of less than 16 channels.

    On a CPU with AVX-512, torch 2.14 then writes beyond the gradient of its weights.
    """
    is_conv = isinstance(module, nn.Conv2d) and module.kernel_size == (1, 1)
    return is_conv and module.stride != (1, 1) and module.in_channels < 16


class _FoldedConv2d(FastConv2d):
    _folded: FrozenBatchNorm2d

    def forward(self, x: Tensor) -> Tensor:
        return self._conv_forward(x, *folded_weights(self, self._folded))


class _FoldedDetectron2Conv2d(Conv2d):
    _folded: FrozenBatchNorm2d

    def forward(self, x: Tensor) -> Tensor:
        # pads with zeros whatever its padding_mode, as the forward of Detectron2's Conv2d
        weights = folded_weights(self, self._folded)
        x = conv2d(x, *weights, self.stride, self.padding, self.dilation, self.groups)
        return x if self.activation is None else self.activation(x)


class _FoldedNorm(FrozenBatchNorm2d):
    """Identity: the convolution before it applies the norm. It keeps its place and its state."""

    def forward(self, x: Tensor) -> Tensor:
        return x


_PLAIN = {_FoldedConv2d: nn.Conv2d, _FoldedDetectron2Conv2d: Conv2d, _FoldedNorm: FrozenBatchNorm2d}
_PLAIN |= PLAIN
