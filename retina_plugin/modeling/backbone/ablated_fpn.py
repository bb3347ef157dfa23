"""FPN with parts of it cut, to see what each does. Source: "Feature Pyramid Networks", tables 1 and 2, rows d and e."""

from __future__ import annotations

from collections.abc import Sequence

import torch.nn.functional as F
from detectron2.modeling import Backbone
from torch import Tensor, nn

from .pyramid import Pyramid

__all__ = ["LesionedFPN"]


class LesionedFPN(Pyramid):
    """Detectron2's FPN, from which the top-down path or the lateral connections can be cut; with both it is that FPN.

    Without the top-down path every level is made of the bottom-up feature of its own resolution (row d). Without
    lateral connections only the coarsest feature enters, and finer levels are upsampled from it (row e). All convs
    keep their place and name, so that FPN's weights load and variants begin alike; those that are cut do not train.
    """

    def __init__(
        self,
        bottom_up: Backbone,
        in_features: Sequence[str],
        out_channels: int,
        norm: str = "",
        top_block: nn.Module | None = None,
        fuse_type: str = "sum",
        top_down: bool = True,
        lateral: bool = True,
    ) -> None:
        """As Detectron2's FPN.

        Raises:
            ValueError: if both `top_down` and `lateral` are cut.
        """
        if not (top_down or lateral):
            raise ValueError(
                "model.backbone.top_down and model.backbone.lateral are both False, which leaves nothing for the fine "
                "levels: set one of them to True"
            )
        super().__init__(bottom_up, list(in_features), out_channels, norm, top_block, fuse_type)
        self._has_top_down, self._has_lateral = top_down, lateral
        for conv in [] if lateral else self.lateral_convs[1:]:
            conv.requires_grad_(False)

    def laterals(self, bottom_up: dict[str, Tensor]) -> list[Tensor]:
        """As in `Pyramid`; without lateral connections the coarsest feature in the sizes of all."""
        if self._has_lateral:
            return super().laterals(bottom_up)
        coarsest = self.lateral_convs[0](bottom_up[self.in_features[-1]])
        sizes = [bottom_up[name].shape[-2:] for name in self.in_features]
        return [F.interpolate(coarsest, size=size, mode="nearest") for size in sizes]

    def fuse(self, laterals: list[Tensor]) -> list[Tensor]:
        """Output convs over what is left of the fusion."""
        is_whole = self._has_top_down and self._has_lateral
        merged = self.top_down(laterals) if is_whole else laterals
        return [conv(x) for conv, x in zip(reversed(self.output_convs), merged, strict=True)]
