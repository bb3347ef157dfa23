"""BiFPN: repeated two-way fusion with learnt weights."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from detectron2.layers import DepthwiseSeparableConv2d
from detectron2.modeling import Backbone
from torch import Tensor, nn

from .pyramid import Pyramid

__all__ = ["BiFPN"]


class BiFPN(Pyramid):
    """Pyramid of `num_repeats` BiFPN layers over all levels, those of `top_block` too.

    Source: "EfficientDet: Scalable and Efficient Object Detection", section 3.
    """

    def __init__(
        self,
        bottom_up: Backbone,
        in_features: Sequence[str],
        out_channels: int,
        norm: str = "",
        top_block: nn.Module | None = None,
        num_repeats: int = 3,
    ) -> None:
        """As Detectron2's FPN, without its output convs: BiFPN has its own.

        Raises:
            ValueError: if `num_repeats` is below 1.
        """
        if num_repeats < 1:
            raise ValueError(f"model.backbone.num_repeats must be 1 or more, got {num_repeats}")
        super().__init__(bottom_up, list(in_features), out_channels, norm, top_block)
        for name in [name for name in self._modules if name.startswith("fpn_output")]:
            delattr(self, name)
        self.output_convs = []
        num_levels = len(self._out_features)
        self.layers = nn.Sequential(
            *(BiFPNLayer(num_levels, out_channels, norm) for _ in range(num_repeats))
        )

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        """Levels "p<stage>" of images (N, 3, H, W)."""
        bottom_up = self.bottom_up(x)
        levels = self.laterals(bottom_up)
        levels += self.extra_levels(bottom_up, levels)
        return dict(zip(self._out_features, self.layers(levels), strict=True))


class BiFPNLayer(nn.Module):
    """One top-down and one bottom-up pass; every fusion is followed by a separable conv."""

    def __init__(self, num_levels: int, channels: int, norm: str = "") -> None:
        super().__init__()
        steps = num_levels - 1
        self.top_down = nn.ModuleList(WeightedFusion(2, channels, norm) for _ in range(steps))
        # The coarsest level has no top-down node of its own, so it fuses two features and not three.
        inputs = [3] * (steps - 1) + [2] * (steps > 0)
        self.bottom_up = nn.ModuleList(WeightedFusion(n, channels, norm) for n in inputs)

    def forward(self, levels: list[Tensor]) -> list[Tensor]:
        """Features (N, channels, Hi, Wi) of every level, high to low resolution, to the same shapes."""
        middle = [levels[-1]]
        for fusion, level in zip(self.top_down, reversed(levels[:-1]), strict=True):
            middle.insert(0, fusion([level, F.interpolate(middle[0], size=level.shape[-2:])]))
        out = [middle[0]]
        for i, fusion in enumerate(self.bottom_up, 1):
            below = F.max_pool2d(out[-1], kernel_size=3, stride=2, padding=1)
            own = [levels[i]] if i == len(levels) - 1 else [levels[i], middle[i]]
            out.append(fusion([*own, below]))
        return out


class WeightedFusion(nn.Module):
    """Fast normalised fusion, sum(w_i x_i) / (eps + sum(w_i)) with w_i >= 0, then swish and a separable conv.

    Source: "EfficientDet", section 3.3.
    """

    def __init__(self, num_inputs: int, channels: int, norm: str = "", eps: float = 1e-4) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(num_inputs))
        self.conv = DepthwiseSeparableConv2d(channels, channels, norm2=norm)
        self.eps = eps

    def forward(self, features: list[Tensor]) -> Tensor:
        """One (N, channels, H, W) from several of that shape."""
        weight = self.weight.relu()
        weight = weight / (weight.sum() + self.eps)
        return self.conv(F.silu(sum(w * x for w, x in zip(weight, features, strict=True))))
