"""What a search of anchors maximises, and within which budget.

The objective is the mean over boxes of min(IoU, t) / t + 0.1 IoU, where IoU is a box's highest with any anchor, t is
the matcher's foreground threshold, and all classes weigh the same; less 0.002 times the share of the budget that is
used. So coverage up to the threshold counts most; closer anchors and fewer anchors break ties.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from .shapes import GridBoxes, Layout, Size

_CLOSER, _FEWER = 0.1, 0.002  # weights of the two ties
_INFEASIBLE = 10.0


@dataclass(frozen=True)
class Budget:
    """What a layout may cost, per image in the mean; the head computes at every location."""

    anchors: float
    locations: float


class Problem:
    """Boxes to match within a budget."""

    def __init__(self, boxes: GridBoxes, sizes: Mapping[Size, int], budget: Budget, threshold: float) -> None:
        """`sizes` counts the padded sizes (H, W) of all images, with boxes or without."""
        self.boxes, self.budget, self.threshold, self._sizes = boxes, budget, threshold, sizes

    def excess(self, layout: Layout) -> float:
        """By which share the layout exceeds the budget; 0 within it."""
        locations = mean_locations(layout, self._sizes)
        used = max(locations * layout.per_location / self.budget.anchors, locations / self.budget.locations)
        return max(0.0, used - 1 - 1e-9)

    def value(self, layout: Layout, boxes: GridBoxes) -> float:
        """The objective, which is higher for better layouts."""
        iou = boxes.best_iou(layout)
        covered = np.minimum(iou, self.threshold) / self.threshold + _CLOSER * iou
        used = mean_locations(layout, self._sizes) * layout.per_location / self.budget.anchors
        return float(boxes.weights @ covered) - _FEWER * used

    def cost(self, layout: Layout) -> float:
        """What the optimizer minimises."""
        excess = self.excess(layout)
        return _INFEASIBLE + excess if excess else -self.value(layout, self.boxes)


def mean_locations(layout: Layout, sizes: Mapping[Size, int]) -> float:
    """Locations of a layout per image, from the number of images of every padded size (H, W)."""
    return sum(number * layout.locations(size) for size, number in sizes.items()) / sum(sizes.values())
