"""BiFPN: repeated top-down and bottom-up fusion with learned weights."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from detectron2.layers import DepthwiseSeparableConv2d
from detectron2.modeling import Backbone
from torch import Tensor, nn

from .pyramid import Pyramid


class BiFPN(Pyramid):
    """Pyramid of `num_repeats` BiFPN layers over all levels, including those of `top_block`.

    Source: "EfficientDet: Scalable and Efficient Object Detection", section 3.
    """

    def __init__(
        self,
        bottom_up: Backbone,
        in_features: Sequence[str],
        out_channels: int,
        norm: str = "",
        top_block: nn.Module | None = None,
        fuse_type: str = "avg",
        square_pad: int = 0,
        num_repeats: int = 3,
    ) -> None:
        """Build a pyramid with the arguments of Detectron2's FPN, but without its output convolutions.

        `fuse_type` is "avg" for normalized weights ("fast normalized fusion", section 3.3) or "sum" for weights without
        normalization ("unbounded fusion").

        Raises:
            ValueError: if `num_repeats` is below 1, or for another `fuse_type`.
        """
        if num_repeats < 1:
            raise ValueError(f"model.backbone.num_repeats must be 1 or more, got {num_repeats}")
        super().__init__(bottom_up, in_features, out_channels, norm, top_block, fuse_type, square_pad)
        for name in [x for x, _ in self.named_children() if x.startswith("fpn_output")]:
            delattr(self, name)
        self.output_convs = []
        arguments = len(self._out_features), out_channels, norm, fuse_type == "avg"
        self.layers = nn.Sequential(*(BiFPNLayer(*arguments) for _ in range(num_repeats)))

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        """Compute the levels "p<stage>" of images (N, 3, H, W)."""
        bottom_up = self.bottom_up(x)
        levels = self.laterals(bottom_up)
        levels += self.extra_levels(bottom_up, levels)
        return dict(zip(self._out_features, self.layers(levels), strict=True))


class BiFPNLayer(nn.Module):
    """One top-down and one bottom-up pass; every fusion is followed by a separable convolution."""

    def __init__(self, num_levels: int, channels: int, norm: str = "", normalize: bool = True) -> None:
        super().__init__()
        steps = num_levels - 1
        self.top_down = nn.ModuleList(WeightedFusion(2, channels, norm, normalize) for _ in range(steps))
        # The coarsest level has no top-down node, so it fuses two features instead of three.
        inputs = [3] * (steps - 1) + [2] * (steps > 0)
        self.bottom_up = nn.ModuleList(WeightedFusion(n, channels, norm, normalize) for n in inputs)

    def forward(self, levels: list[Tensor]) -> list[Tensor]:
        """Fuse features (N, channels, Hi, Wi), from high to low resolution, into features of the same shapes."""
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
    """Weighted sum of features, then swish and a separable convolution.

    The weights w_i >= 0 are learned. With `normalize` they become w_i / (eps + sum(w)).
    Source: "EfficientDet", section 3.3.
    """

    def __init__(
        self, num_inputs: int, channels: int, norm: str = "", normalize: bool = True, eps: float = 1e-4
    ) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(num_inputs))
        self.conv = DepthwiseSeparableConv2d(channels, channels, norm2=norm)
        self.normalize, self.eps = normalize, eps

    def forward(self, features: list[Tensor]) -> Tensor:
        """Fuse features of shape (N, channels, H, W) into one of that shape."""
        weight = self.weight.relu()
        if self.normalize:
            weight = weight / (weight.sum() + self.eps)
        return self.conv(F.silu(sum(w * x for w, x in zip(weight, features, strict=True))))
