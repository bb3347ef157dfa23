"""CPU convolutions with weights in oneDNN's layout, fused with the sum and the activation after them.

PyTorch's own convolution converts its weights to this layout in every call, and a separate activation or sum reads and
writes the whole map once more. The operators here are those that torch.compile uses. Large 3 x 3 convolutions take
fewer multiplications instead, see `fast_conv`, with transformed weights that are kept, too.
"""

from collections.abc import Iterator

import torch
import torch.nn.functional as F
from detectron2.layers import Conv2d
from detectron2.modeling.backbone.resnet import BasicBlock, BasicStem, BottleneckBlock
from torch import Tensor, nn
from torch.nn.modules.utils import _pair

from ..modeling.optimization.fast_conv import convolve_with_kept, is_faster
from ..modeling.optimization.layouts import kept_layout
from ..modeling.optimization.norms import count_uses, has_hooks, neighbours

_ACTIVATIONS = {nn.ReLU: ("relu", ()), nn.ReLU6: ("hardtanh", (0.0, 6.0))}


def pack_convolutions(module: nn.Module, within: nn.Module | None = None) -> None:
    """Pack the convolutions of a module on a CPU, in place, and fuse them with the ReLU or ReLU6 after them.

    An activation is found after a convolution in a Sequential, in the graph of a torchvision feature extractor, and in
    Detectron2's residual blocks, with their sum. A Sequential is assumed to be called as a whole, not child by child.
    Convolutions with hooks, or used more than once in `within` (by default the module), do not change. The module can
    no longer be trained. Without the operators that `can_pack` looks for, nothing changes.
    """
    if not can_pack():
        return
    uses = count_uses(module if within is None else within)
    for conv in [x for x in module.modules() if type(x) in (nn.Conv2d, Conv2d)]:
        if uses[conv] <= 1 and _is_packable(conv):
            conv.__class__ = PackedConv2d
            conv.inner_activation = ("none", ())
    for parent in list(module.modules()):
        for holder, name, conv, activation in list(_activations(parent)):
            conv.inner_activation = _ACTIVATIONS[type(activation)]
            setattr(holder, name, nn.Identity())
        if type(parent) in _FUSED and all(type(x) is PackedConv2d for x in _convs(parent)):
            for conv in _convs(parent):
                conv.inner_activation = ("none", ()) if conv is getattr(parent, "shortcut", None) else ("relu", ())
            parent.__class__ = _FUSED[type(parent)]


def can_pack() -> bool:
    """Whether this PyTorch has oneDNN and the operators that are used here."""
    has_operators = hasattr(torch.ops.mkldnn, "_convolution_pointwise") and hasattr(
        torch._C._nn, "mkldnn_reorder_conv2d_weight"
    )
    return torch.backends.mkldnn.is_available() and has_operators


class PackedConv2d(nn.Conv2d):
    """A convolution fused with its activation; not on a CPU, or while it is traced, computed as by nn.Conv2d."""

    inner_activation: tuple[str, tuple[float, ...]]

    def forward(self, x: Tensor, added: Tensor | None = None) -> Tensor:
        """activation(conv(x) + added), with shapes (N, C, H, W); `added` None adds nothing."""
        if not self._suits(x):
            x = self._conv_forward(x, self.weight, self.bias)
        elif is_faster(x, self.weight, self.stride, self.padding, self.dilation):
            x = convolve_with_kept(x, self.weight, self.bias, self.padding)
        else:
            return self._fused(x, added)
        return _activate(x if added is None else x + added, self.inner_activation[0])

    def _fused(self, x: Tensor, added: Tensor | None) -> Tensor:
        settings = (self.padding, self.stride, self.dilation, self.groups)
        name, numbers = self.inner_activation
        if added is None:
            return _OPERATORS._convolution_pointwise(x, self._packed(x), self.bias, *settings, name, numbers, "")
        name = None if name == "none" else name
        return _OPERATORS._convolution_pointwise.binary(
            x, added, self._packed(x), self.bias, *settings, "add", 1.0, name, numbers, ""
        )

    def _suits(self, x: Tensor) -> bool:
        if torch.jit.is_tracing() or torch.compiler.is_compiling() or not _is_supported(x.dtype):
            return False
        if torch.is_grad_enabled() and x.requires_grad:  # the operators have no gradient
            return False
        return x.dtype == self.weight.dtype and x.device.type == "cpu" and x.dim() == 4 and x.numel() > 0

    def _packed(self, x: Tensor) -> Tensor:
        """The weights in the layout for maps of about the size of `x`: N H W equal up to a factor of two.

        With the layout for another size, oneDNN would convert the weights in every call, which takes milliseconds.
        """
        settings = (self.padding, self.stride, self.dilation, self.groups)

        def pack(weight: Tensor) -> Tensor:
            return torch._C._nn.mkldnn_reorder_conv2d_weight(weight.contiguous().to_mkldnn(), *settings, x.shape)

        return kept_layout(self.weight, (*map(_pair, settings), (x.numel() // x.shape[1]).bit_length()), pack)


class _FusedBottleneck(BottleneckBlock):
    def forward(self, x: Tensor) -> Tensor:
        return self.conv3(self.conv2(self.conv1(x)), x if self.shortcut is None else self.shortcut(x))


class _FusedBasicBlock(BasicBlock):
    def forward(self, x: Tensor) -> Tensor:
        return self.conv2(self.conv1(x), x if self.shortcut is None else self.shortcut(x))


class _FusedStem(BasicStem):
    def forward(self, x: Tensor) -> Tensor:
        return F.max_pool2d(self.conv1(x), kernel_size=3, stride=2, padding=1)


_FUSED = {BottleneckBlock: _FusedBottleneck, BasicBlock: _FusedBasicBlock, BasicStem: _FusedStem}
_OPERATORS = torch.ops.mkldnn


def _is_supported(dtype: torch.dtype) -> bool:
    return dtype == torch.float32 or (dtype == torch.bfloat16 and _OPERATORS._is_mkldnn_bf16_supported())


def _activate(x: Tensor, name: str) -> Tensor:
    if name == "none":
        return x
    return F.relu(x) if name == "relu" else F.relu6(x)


def _is_packable(conv: nn.Conv2d) -> bool:
    is_alone = getattr(conv, "norm", None) is None and getattr(conv, "activation", None) is None
    return is_alone and conv.padding_mode == "zeros" and not isinstance(conv.padding, str) and not has_hooks(conv)


def _convs(block: nn.Module) -> list[nn.Module]:
    names = ("conv1", "conv2", "conv3", "shortcut")
    return [getattr(block, name) for name in names if getattr(block, name, None) is not None]


def _activations(parent: nn.Module) -> Iterator[tuple[nn.Module, str, PackedConv2d, nn.Module]]:
    """(holder, name, convolution, activation) if only a packed convolution feeds it, maybe through an Identity."""
    source: dict[nn.Module, nn.Module] = {}  # the module that feeds an Identity
    for name, before, module in neighbours(parent):
        before = source.get(before, before)
        if type(module) is nn.Identity:
            source[module] = before
        elif type(module) in _ACTIVATIONS and type(before) is PackedConv2d and not has_hooks(module):
            holder, _, child = name.rpartition(".")
            yield parent.get_submodule(holder), child, before, module
