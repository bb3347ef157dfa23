"""FPN without its top-down path, its lateral connections or the features of some levels, to measure their effect."""

import logging
import sys
from collections.abc import Sequence
from typing import Any

import torch.nn.functional as F
from detectron2.modeling import Backbone
from torch import Tensor, nn

from .pyramid import Pyramid

logger = logging.getLogger(__name__)


class AblatedFPN(Pyramid):
    """Detectron2's FPN with its top-down path, its lateral connections or the features of some levels removed.

    Without the top-down path every level comes from the bottom-up feature of its own resolution (row d). Without
    lateral connections only the coarsest feature is used, and finer levels are upsampled from it (row e). With
    `features_of="p3"` every level of `in_features` has the features of P3: finer levels repeat them, coarser ones have
    those of every second or fourth location. So features and locations of a level can be changed apart. With nothing
    removed it equals FPN. All convolutions stay in place under their names, so that FPN's weights load and variants
    share their initial weights. Unused convolutions of the pyramid are frozen.
    Source: "Feature Pyramid Networks for Object Detection", tables 1 and 2, rows d and e; `features_of` is our own.
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
        top_down: bool = True,
        lateral: bool = True,
        features_of: str | None = None,
    ) -> None:
        """Take the arguments of Detectron2's FPN, which paths to keep, and the level whose features all levels have.

        Raises:
            ValueError: if neither path is kept, or `features_of` is not a level of `in_features`.
        """
        if not (top_down or lateral):
            raise ValueError(
                "model.backbone.top_down and model.backbone.lateral are both False, so the fine levels would have no "
                "input: set one of them to True"
            )
        super().__init__(bottom_up, in_features, out_channels, norm, top_block, fuse_type, square_pad)
        self._has_top_down, self._has_lateral = top_down, lateral
        levels = self._out_features[: len(in_features)]
        if features_of not in (None, *levels):
            raise ValueError(f"model.backbone.features_of must be null or one of {levels}, got {features_of!r}")
        self._source = None if features_of is None else levels.index(features_of)
        for conv in self._unused_convs():
            conv.requires_grad_(False)

    def laterals(self, bottom_up: dict[str, Tensor]) -> list[Tensor]:
        """As in `Pyramid`, or the coarsest feature resized to every level if there are no lateral connections."""
        if self._has_lateral:
            return super().laterals(bottom_up)
        coarsest = self.lateral_convs[0](bottom_up[self.in_features[-1]])
        sizes = [bottom_up[name].shape[-2:] for name in self.in_features]
        return [F.interpolate(coarsest, size=size, mode="nearest") for size in sizes]

    def top_down(self, laterals: list[Tensor]) -> list[Tensor]:
        """As in `Pyramid`, or `laterals` unchanged if a path is removed."""
        return super().top_down(laterals) if self._has_top_down and self._has_lateral else laterals

    def fuse(self, laterals: list[Tensor]) -> list[Tensor]:
        """As in `Pyramid`, or the level `features_of` resized to the shape of every level."""
        if self._source is None:
            return super().fuse(laterals)
        level = self.output_convs[-1 - self._source](self.top_down(laterals)[self._source])
        finer, coarser = laterals[: self._source], range(len(laterals) - self._source)
        repeated = [F.interpolate(level, size=lateral.shape[-2:], mode="nearest") for lateral in finer]
        return repeated + [level[..., :: 2**i, :: 2**i] for i in coarser]

    def _unused_convs(self) -> list[nn.Module]:
        """Convolutions that no level needs; Detectron2 keeps both lists from low to high resolution."""
        outputs = laterals = range(len(self.output_convs))
        if self._source is not None:
            place = len(self.output_convs) - 1 - self._source
            outputs, laterals = [place], range(place + 1) if self._has_top_down else [place]
        if not self._has_lateral:
            laterals = [0]
        unused = [conv for i, conv in enumerate(self.output_convs) if i not in outputs]
        return unused + [conv for i, conv in enumerate(self.lateral_convs) if i not in laterals]


def __getattr__(name: str) -> Any:
    """Resolve former names that old configs use: the class `LesionedFPN` and its module `lesions`."""
    if name == "lesions":
        return sys.modules[__name__]
    if name != "LesionedFPN":
        raise AttributeError(f"retina_plugin.modeling has no attribute {name!r}")
    logger.warning("LesionedFPN is now called AblatedFPN; the old name still works")
    return AblatedFPN
