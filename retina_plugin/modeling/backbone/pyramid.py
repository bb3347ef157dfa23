"""Base class of the FPN variants."""

from collections.abc import Sequence

import torch.nn.functional as F
from detectron2.modeling import FPN, Backbone
from torch import Tensor, nn


class Pyramid(FPN):
    """Detectron2's FPN with its forward pass split into methods that subclasses override.

    Without overrides it equals FPN. `top_block` adds levels, computed from the bottom-up feature (P6 from C5) or from
    the fused level (P6 from P5) that its `in_feature` names.
    """

    def __init__(
        self,
        bottom_up: Backbone,
        in_features: Sequence[str],
        out_channels: int,
        norm: str = "",
        top_block: nn.Module | None = None,
        fuse_type: str = "sum",
        square_pad: int = 0,
    ) -> None:
        """Build the convolutions of Detectron2's FPN; ValueError if `fuse_type` is not "sum" or "avg"."""
        if fuse_type not in ("sum", "avg"):
            raise ValueError(f"model.backbone.fuse_type must be sum or avg, got {fuse_type!r}")
        super().__init__(bottom_up, list(in_features), out_channels, norm, top_block, fuse_type, square_pad)

    def fuse(self, laterals: list[Tensor]) -> list[Tensor]:
        """Compute levels (N, out_channels, Hi, Wi) from lateral features of the same shapes, high resolution first."""
        merged = self.top_down(laterals)
        return [conv(x) for conv, x in zip(reversed(self.output_convs), merged, strict=True)]

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        """Compute the levels "p<stage>", each with stride 2^stage, of images (N, 3, H, W)."""
        bottom_up = self.bottom_up(x)
        levels = self.fuse(self.laterals(bottom_up))
        levels += self.extra_levels(bottom_up, levels)
        return dict(zip(self._out_features, levels, strict=True))

    def laterals(self, bottom_up: dict[str, Tensor]) -> list[Tensor]:
        """Project the bottom-up features to `out_channels`, from high to low resolution."""
        convs = reversed(self.lateral_convs)
        return [conv(bottom_up[name]) for conv, name in zip(convs, self.in_features, strict=True)]

    def extra_levels(self, bottom_up: dict[str, Tensor], levels: list[Tensor]) -> list[Tensor]:
        """Compute the levels of `top_block`, if there is one."""
        if self.top_block is None:
            return []
        features = dict(zip(self._out_features, levels, strict=False)) | bottom_up
        return list(self.top_block(features[self.top_block.in_feature]))

    def top_down(self, laterals: list[Tensor]) -> list[Tensor]:
        """Add the upsampled coarser levels to every lateral feature; with `fuse_type` "avg" every sum is halved.

        Source: "Feature Pyramid Networks", section 3.
        """
        merged = [laterals[-1]]
        for lateral in reversed(laterals[:-1]):
            above = F.interpolate(merged[0], size=lateral.shape[-2:], mode="nearest")
            total = lateral + above
            merged.insert(0, total / 2 if self._fuse_type == "avg" else total)
        return merged
