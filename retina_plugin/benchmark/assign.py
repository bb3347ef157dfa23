"""Time of label assignment, by Detectron2's matcher and with IoU only for boxes and anchors that may match."""

from collections.abc import Sequence

import torch
from detectron2.modeling.matcher import Matcher
from detectron2.structures import Boxes, pairwise_iou

from ..modeling import OctaveAnchorGenerator
from ..modeling.assigners.sparse import AnchorBlocks, match_sparsely
from .pairs import Times, time_in_turn

_STRIDES = (8, 16, 32, 64, 128)


def benchmark_assignment(size: Sequence[int], num_boxes: int, repeats: int, device: str = "cpu") -> Times:
    """Seconds for one image of a size (H, W) with `num_boxes` boxes of 8 to 400 pixels, and ratios to Detectron2."""
    height, width = size
    torch.manual_seed(0)
    features = [torch.zeros(1, 1, -(-height // stride), -(-width // stride)) for stride in _STRIDES]
    anchors = Boxes.cat(OctaveAnchorGenerator(strides=_STRIDES)(features))
    centers, sizes = torch.rand(num_boxes, 2) * torch.tensor([width, height]), 8 * 50 ** torch.rand(num_boxes, 2)
    boxes = Boxes(torch.cat([centers - sizes / 2, centers + sizes / 2], dim=1))
    boxes.clip((height, width))
    anchors, boxes = anchors.to(device), boxes.to(device)
    matcher = Matcher([0.4, 0.5], [0, -1, 1], allow_low_quality_matches=True)
    sides = {
        "detectron2": lambda: matcher(pairwise_iou(boxes, anchors)),
        "retina_plugin": lambda: match_sparsely(matcher, boxes.tensor, AnchorBlocks(anchors.tensor)),
    }
    return time_in_turn(sides, repeats)
