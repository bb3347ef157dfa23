"""What the FPN variants share: Detectron2's FPN with its fixed way to fuse levels opened."""

from __future__ import annotations

import torch.nn.functional as F
from detectron2.modeling import FPN
from torch import Tensor


class Pyramid(FPN):
    """A feature pyramid whose subclass says how lateral features become levels.

    Arguments, module names and outputs are those of Detectron2's FPN. `top_block` extends the pyramid from the
    bottom-up feature (P6 from C5) or from the fused level (P6 from P5) that its `in_feature` names.
    """

    def fuse(self, laterals: list[Tensor]) -> list[Tensor]:
        """Levels (N, out_channels, Hi, Wi) from lateral features of the same shapes, high to low resolution."""
        raise NotImplementedError

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        """Levels "p<stage>", each with stride 2^stage, of images (N, 3, H, W)."""
        bottom_up = self.bottom_up(x)
        levels = self.fuse(self.laterals(bottom_up))
        levels += self.extra_levels(bottom_up, levels)
        return dict(zip(self._out_features, levels, strict=True))

    def laterals(self, bottom_up: dict[str, Tensor]) -> list[Tensor]:
        """Bottom-up features brought to `out_channels`, high to low resolution."""
        convs = reversed(self.lateral_convs)
        return [conv(bottom_up[name]) for conv, name in zip(convs, self.in_features, strict=True)]

    def extra_levels(self, bottom_up: dict[str, Tensor], levels: list[Tensor]) -> list[Tensor]:
        """What `top_block` adds."""
        if self.top_block is None:
            return []
        features = dict(zip(self._out_features, levels, strict=False)) | bottom_up
        return list(self.top_block(features[self.top_block.in_feature]))

    def top_down(self, laterals: list[Tensor]) -> list[Tensor]:
        """Every lateral feature with all coarser ones added to it. Source: "Feature Pyramid Networks", section 3."""
        merged = [laterals[-1]]
        for lateral in reversed(laterals[:-1]):
            above = F.interpolate(merged[0], size=lateral.shape[-2:], mode="nearest")
            total = lateral + above
            merged.insert(0, total / 2 if self._fuse_type == "avg" else total)
        return merged
