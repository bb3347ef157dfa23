"""Box deltas of selected anchors, for heads that allow their box tower to run at some locations only."""

from collections.abc import Sequence

from detectron2.modeling.meta_arch.retinanet import RetinaNetHead
from torch import Tensor, nn

from ..head import PluggableRetinaNetHead
from .norms import has_hooks
from .selective import Places, outputs_at, tower_layers


def box_layers(head: nn.Module) -> list[nn.Module] | None:
    """The layers that predict boxes, or None if the head has hooks, a forward pass of its own or unsuitable layers."""
    if type(head).forward not in (PluggableRetinaNetHead.forward, RetinaNetHead.forward):
        return None
    if has_hooks(head) or has_hooks(head.cls_subnet):
        return None
    return tower_layers(head.bbox_subnet, head.bbox_pred)


def deltas_at(
    layers: Sequence[nn.Module], features: Sequence[Tensor], level: Tensor, image: Tensor, anchor: Tensor
) -> Tensor:
    """The deltas (M, 4) of anchors.

    Args:
        layers: of the box tower, see `box_layers`.
        features: (N, C, Hi, Wi) of every level.
        level, image, anchor: (M,) indices; the index of an anchor within its level is (y * W + x) * A + a.
    """
    num_anchors = layers[-1].out_channels // 4
    outputs = outputs_at(layers, features, Places(level, image, anchor // num_anchors))
    choice = (anchor % num_anchors)[:, None, None].expand(-1, 1, 4)
    return outputs.view(-1, num_anchors, 4).gather(1, choice)[:, 0]


def deltas_where(layers: Sequence[nn.Module], features: Sequence[Tensor], sizes: Sequence[int], mask: Tensor) -> Tensor:
    """The deltas (P, 4) of the anchors in `mask` (N, R), image by image; `sizes` counts the anchors of each level."""
    image, anchor = mask.nonzero(as_tuple=True)
    ends = anchor.new_tensor(sizes).cumsum(0)
    level = (anchor[:, None] >= ends).sum(1)
    starts = ends - anchor.new_tensor(sizes)
    return deltas_at(layers, features, level, image, anchor - starts[level])
