"""Objective and budget of a search for anchors.

The objective is the weighted mean over boxes of min(IoU, t) / t + 0.1 IoU, minus 0.002 times the used share of the
budget of anchors. IoU is a box's highest with any anchor, t is the matcher's foreground threshold, and all classes
weigh the same. So coverage up to the threshold counts most; closer anchors and fewer anchors break ties.
"""

from collections.abc import Mapping

import numpy as np

from .shapes import GridBoxes, Layout, Size

_CLOSER, _FEWER = 0.1, 0.002  # weights of the two tie-breakers
_INFEASIBLE = 10.0


class Problem:
    """Boxes to match within a budget."""

    def __init__(
        self, boxes: GridBoxes, sizes: Mapping[Size, int], anchors: float, locations: float, threshold: float
    ) -> None:
        """`sizes` counts the padded sizes (H, W) of all images, with boxes or without.

        `anchors` and `locations`, at which the head runs, are the most that a layout may have per image in the mean.
        """
        self.boxes, self.threshold, self._sizes = boxes, threshold, sizes
        self._anchors, self._locations = anchors, locations

    def excess(self, layout: Layout) -> float:
        """The share of the budget by which the layout exceeds it; 0 within it."""
        locations = mean_locations(layout, self._sizes)
        used = max(locations * layout.per_location / self._anchors, locations / self._locations)
        return max(0.0, used - 1 - 1e-9)

    def value(self, layout: Layout, boxes: GridBoxes) -> float:
        """The objective, which is higher for better layouts."""
        iou = boxes.best_iou(layout)
        covered = np.minimum(iou, self.threshold) / self.threshold + _CLOSER * iou
        used = mean_locations(layout, self._sizes) * layout.per_location / self._anchors
        return float(boxes.weights @ covered) - _FEWER * used

    def cost(self, layout: Layout) -> float:
        """What the optimizer minimises: the negative objective, or a larger value outside the budget."""
        excess = self.excess(layout)
        return _INFEASIBLE + excess if excess else -self.value(layout, self.boxes)


def mean_locations(layout: Layout, sizes: Mapping[Size, int]) -> float:
    """Mean number of a layout's locations per image, from the number of images of every padded size (H, W)."""
    return sum(number * layout.locations(size) for size, number in sizes.items()) / sum(sizes.values())
