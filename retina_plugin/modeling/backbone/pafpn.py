"""PAFPN: a bottom-up path after FPN's top-down path."""

from collections.abc import Sequence

import fvcore.nn.weight_init as weight_init
import torch.nn.functional as F
from detectron2.layers import Conv2d, get_norm
from detectron2.modeling import Backbone
from torch import Tensor, nn

from .pyramid import Pyramid


class PAFPN(Pyramid):
    """FPN with PANet's bottom-up path, which carries fine localization to coarse levels in a few convolutions.

    Source: "Path Aggregation Network for Instance Segmentation", section 3.1: N_2 = P_2 and
    N_{i+1} = relu(conv(relu(conv_stride2(N_i)) + P_{i+1})).
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
        """Build a pyramid with the arguments of Detectron2's FPN; `norm` applies to the added convolutions too."""
        super().__init__(bottom_up, in_features, out_channels, norm, top_block, fuse_type, square_pad)
        steps = len(self.in_features) - 1
        self.downsample = nn.ModuleList(_conv(out_channels, norm, 2) for _ in range(steps))
        self.aggregate = nn.ModuleList(_conv(out_channels, norm, 1) for _ in range(steps))

    def fuse(self, laterals: list[Tensor]) -> list[Tensor]:
        """Compute FPN's levels, then the bottom-up path over them."""
        levels = super().fuse(laterals)
        for i, (down, aggregate) in enumerate(zip(self.downsample, self.aggregate, strict=True)):
            levels[i + 1] = aggregate(down(levels[i]) + levels[i + 1])
        return levels


def _conv(channels: int, norm: str, stride: int) -> Conv2d:
    conv = Conv2d(
        channels,
        channels,
        kernel_size=3,
        stride=stride,
        padding=1,
        bias=norm == "",
        norm=get_norm(norm, channels),
        activation=F.relu,
    )
    weight_init.c2_msra_fill(conv)
    return conv
