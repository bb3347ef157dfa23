"""Shares of boxes that anchors can match: of all boxes, by class, size and level, and over the side of a box."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ...evaluation.box_metrics import SIZE_LIMITS, SIZES
from .assignment import Assignment

_QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)
_CURVE_BINS = 24


@dataclass(frozen=True)
class Row:
    """A group of boxes.

    Attributes:
        name: of the group.
        boxes: their number.
        reachable: share with an anchor whose IoU reaches the foreground threshold, even if another box takes it.
        own: share to which such an anchor is assigned.
        low_quality_only: share to which only low-quality matches, below the threshold, are assigned.
        crowded_out: share whose candidate anchors are all taken by other boxes.
        untrained: share without any foreground anchor under the config's matcher.
        mean_iou: mean over boxes of the highest IoU with an anchor.
        anchors_per_box: mean number of foreground anchors under the config's matcher.
    """

    name: str
    boxes: int
    reachable: float
    own: float
    low_quality_only: float
    crowded_out: float
    untrained: float
    mean_iou: float
    anchors_per_box: float


@dataclass(frozen=True)
class Recall:
    """An assignment, summarized by groups of boxes and by level.

    Attributes:
        all_boxes: all boxes as one group.
        by_class, by_size, by_level: groups of boxes; the level is that of a box's best anchor. Empty groups are left
            out.
        iou_quantiles: quantiles of the best IoU, by probability.
        foreground_by_level: number of foreground anchors, by name of the level.
        anchors_by_level: mean number of anchors per image.
        ignored_by_level: share of the anchors that is ignored.
    """

    all_boxes: Row
    by_class: list[Row]
    by_size: list[Row]
    by_level: list[Row]
    iou_quantiles: dict[str, float]
    foreground_by_level: dict[str, int]
    anchors_by_level: dict[str, float]
    ignored_by_level: dict[str, float]


def measure_recall(
    assignment: Assignment, num_images: int, class_names: Sequence[str], levels: Sequence[str]
) -> Recall:
    """Summarize the assignment of the boxes of `num_images` images."""
    size = torch.bucketize(assignment.areas, torch.tensor(SIZE_LIMITS), right=True)
    quantiles = np.quantile(assignment.best_iou.numpy(), _QUANTILES).tolist()
    ignored = assignment.ignored / assignment.anchors
    return Recall(
        all_boxes=row_of_all(assignment),
        by_class=_rows(assignment, assignment.classes, class_names),
        by_size=_rows(assignment, size, SIZES),
        by_level=_rows(assignment, assignment.best_level, levels),
        iou_quantiles={f"{p:g}": x for p, x in zip(_QUANTILES, quantiles, strict=True)},
        foreground_by_level=dict(zip(levels, assignment.foreground.sum(0).tolist(), strict=True)),
        anchors_by_level=dict(zip(levels, (assignment.anchors / num_images).tolist(), strict=True)),
        ignored_by_level=dict(zip(levels, ignored.tolist(), strict=True)),
    )


def row_of_all(assignment: Assignment) -> Row:
    """All boxes as one group."""
    return _row("all", assignment, torch.ones_like(assignment.own))


def recall_over_side(assignment: Assignment, edges: np.ndarray) -> np.ndarray:
    """(bins, 3): number of boxes, share that is reachable, share with any foreground anchor under the config's matcher.

    Bins are over the side of a box, the square root of its area in pixels of the resized image. Shares are NaN in empty
    bins.
    """
    side = assignment.sides.prod(1).sqrt().numpy()
    place = np.digitize(side, edges[1:-1])
    is_true = [np.ones_like(side), assignment.reachable.numpy(), assignment.foreground.sum(1).numpy() > 0]
    count, *shares = (np.bincount(place, weights=x, minlength=len(edges) - 1) for x in is_true)
    with np.errstate(invalid="ignore"):
        return np.stack([count, *(x / count for x in shares)], 1)


def side_edges(assignment: Assignment) -> np.ndarray:
    """(bins + 1,) edges of geometric bins that hold the sides of all boxes."""
    side = assignment.sides.prod(1).sqrt().numpy().astype(float)
    return np.geomspace(side.min() * 0.99, side.max() * 1.01, _CURVE_BINS + 1)


def _rows(assignment: Assignment, group: Tensor, names: Sequence[str]) -> list[Row]:
    return [_row(name, assignment, group == i) for i, name in enumerate(names) if (group == i).any()]


def _row(name: str, assignment: Assignment, chosen: Tensor) -> Row:
    foreground = assignment.foreground.sum(1)
    columns = (
        assignment.reachable,
        assignment.own,
        assignment.low_quality_only,
        assignment.crowded_out,
        foreground == 0,
        assignment.best_iou,
        foreground,
    )
    return Row(name, int(chosen.sum()), *(x[chosen].double().mean().item() for x in columns))
