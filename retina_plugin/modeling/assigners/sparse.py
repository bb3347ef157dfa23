"""Detectron2's `Matcher` without the IoU of every box with every anchor. G boxes, R anchors.

At 800 x 1344 with 100 boxes, `pairwise_iou` makes matrices of 20 million numbers, nearly all of them 0. Anchors
that are neighbours in the list are also close together in the image. So a box is compared only with the blocks of
neighbouring anchors that touch it and whose areas allow an IoU of at least the lowest threshold.
"""

from __future__ import annotations

import torch
from detectron2.modeling.matcher import Matcher
from detectron2.structures import Boxes, pairwise_iou
from torch import Tensor

_BLOCK = 64  # anchors
_MOST_PAIRS = 2**14  # pairs of a box and a block that are compared at a time
_SLACK = 1 - 1e-4  # factor of the bounds, for rounding errors


def match_sparsely(matcher: Matcher, boxes: Tensor, blocks: AnchorBlocks) -> tuple[Tensor, Tensor]:
    """What `matcher` returns for the IoU of boxes and anchors: matches (R,) int64 and labels (R,) int8.

    Labels, and the matches of anchors with label 1, are the same bit for bit. The match of another anchor is 0 or the
    index of a box that overlaps it. `boxes` (G, 4) are XYXY in pixels; G is at least 1.
    """
    anchors = blocks.anchors
    rows, places, iou = blocks.overlaps(boxes, matcher.thresholds[1])
    overlaps, matches = _best_of_anchors(rows, places, iou, len(boxes), anchors)
    labels = torch.ones_like(matches, dtype=torch.int8)
    for label, low, high in zip(matcher.labels, matcher.thresholds, matcher.thresholds[1:], strict=False):
        labels[(overlaps >= low) & (overlaps < high)] = label
    if not matcher.allow_low_quality_matches:
        return matches, labels
    best, is_unmatched = _best_of_boxes(rows, places, iou, boxes)
    labels[best] = 1
    if is_unmatched.any():  # boxes whose IoUs are all below the lowest threshold
        best, is_apart = _best_of_boxes(*blocks.overlaps(boxes[is_unmatched], 0.0), boxes[is_unmatched])
        if is_apart.any():  # upstream labels all anchors 1 for a box that overlaps none of them
            return matcher(pairwise_iou(Boxes(boxes), Boxes(anchors)))
        labels[best] = 1
        matches[best] = pairwise_iou(Boxes(boxes), Boxes(anchors[best])).max(dim=0)[1]
    return matches, labels


def _best_of_anchors(
    rows: Tensor, places: Tensor, iou: Tensor, num_boxes: int, anchors: Tensor
) -> tuple[Tensor, Tensor]:
    """The highest IoU (R,) of every anchor and the index (R,) of the first box with it; both 0 without overlap."""
    overlaps = anchors.new_zeros(len(anchors)).scatter_reduce_(0, places, iou, "amax")
    is_best = iou == overlaps[places]
    matches = torch.full_like(overlaps, num_boxes, dtype=torch.int64)
    matches.scatter_reduce_(0, places[is_best], rows[is_best], "amin")
    return overlaps, matches.masked_fill_(matches == num_boxes, 0)


def _best_of_boxes(rows: Tensor, places: Tensor, iou: Tensor, boxes: Tensor) -> tuple[Tensor, Tensor]:
    """Indices of the anchors with the highest IoU of each box, ties included; (G,) whether a box has no anchor."""
    highest = boxes.new_zeros(len(boxes)).scatter_reduce_(0, rows, iou, "amax")
    return places[iou == highest[rows]], highest == 0


class AnchorBlocks:
    """Anchors in B blocks of neighbours; the last block is padded with empty boxes."""

    def __init__(self, anchors: Tensor) -> None:
        """`anchors` (R, 4) are XYXY in pixels."""
        self.anchors = anchors
        padded = torch.cat([anchors, anchors.new_zeros(-len(anchors) % _BLOCK, 4)])
        self._blocks = padded.view(-1, _BLOCK, 4)
        self._areas = _areas(self._blocks)
        self._low, self._high = self._blocks[..., :2].amin(1), self._blocks[..., 2:].amax(1)  # (B, 2)
        self._smallest, self._largest = self._areas.aminmax(dim=1)  # (B,)

    def overlaps(self, boxes: Tensor, lowest: float) -> tuple[Tensor, Tensor, Tensor]:
        """All pairs with an IoU of at least `lowest` and above 0: indices of boxes and of anchors, and IoUs."""
        areas = _areas(boxes)[:, None]
        touches = (boxes[:, None, 2:] > self._low).all(2) & (boxes[:, None, :2] < self._high).all(2)
        most = torch.minimum(areas, self._largest) / torch.maximum(areas, self._smallest)  # IoU of nested boxes
        pairs = (touches & (most >= lowest * _SLACK)).nonzero()
        found = [self._overlaps_of(boxes, own, lowest) for own in pairs.split(_MOST_PAIRS)]
        rows, places, iou = (torch.cat(parts) for parts in zip(*found, strict=True))
        return rows, places, iou

    def _overlaps_of(self, boxes: Tensor, pairs: Tensor, lowest: float) -> tuple[Tensor, Tensor, Tensor]:
        rows, blocks = pairs.unbind(1)
        iou = _aligned_iou(boxes[rows][:, None], self._blocks[blocks], self._areas[blocks])
        pair, place = ((iou >= lowest) & (iou > 0)).nonzero(as_tuple=True)
        return rows[pair], blocks[pair] * _BLOCK + place, iou[pair, place]


def _areas(boxes: Tensor) -> Tensor:
    return (boxes[..., 2] - boxes[..., 0]) * (boxes[..., 3] - boxes[..., 1])


def _aligned_iou(boxes: Tensor, anchors: Tensor, areas: Tensor) -> Tensor:
    """(P, 64) the numbers of `detectron2.structures.pairwise_iou` for boxes (P, 1, 4) and anchors (P, 64, 4)."""
    size = (torch.minimum(boxes[..., 2:], anchors[..., 2:]) - torch.maximum(boxes[..., :2], anchors[..., :2])).clamp_(0)
    inter = size[..., 0] * size[..., 1]
    return torch.where(inter > 0, inter / (_areas(boxes) + areas - inter), 0.0)
