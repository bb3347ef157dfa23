"""The curve of figure 4 of the focal loss paper: how much of the loss the easiest elements hold.

Source: "Focal Loss for Dense Object Detection", section 5.1, "Analysis of the Focal Loss": the loss of foreground, and
that of background, is divided by its sum; elements are sorted from the lowest loss to the highest; the curve is the
cumulative sum over the fraction of elements.
"""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Curve:
    """Points of a cumulative distribution, from (0, 0) to (1, 1), with straight lines between them.

    Without elements, or without any loss, it is the point (0, 0).

    Attributes:
        fraction: (P,) of the elements, sorted by their loss.
        loss: (P,) share of the loss that they hold.
    """

    fraction: np.ndarray
    loss: np.ndarray

    def held_by_easiest(self, fraction: float) -> float:
        """Share of the loss that this fraction of the elements with the lowest loss holds; NaN without any loss."""
        return float(np.interp(fraction, self.fraction, self.loss)) if len(self.fraction) > 1 else float("nan")

    def thinned(self, number: int) -> "Curve":
        """At most `number` points besides the last: those nearest to equal steps along the curve, for drawing."""
        length = np.linspace(0, 2, number)
        places = np.searchsorted(self.fraction + self.loss, length).clip(max=len(self.fraction) - 1)
        places = np.unique([*places, len(self.fraction) - 1])
        return Curve(self.fraction[places], self.loss[places])


def cumulative_loss(count: np.ndarray, loss: np.ndarray) -> Curve:
    """The curve of elements in bins, from (B,) numbers of elements and sums of their loss.

    At the edge of a bin it is exact if all elements of a bin have a lower loss than those of the next. Between edges it
    takes the elements of a bin to be alike. If their losses differ at most by a factor r, it is off by no more than
    (sqrt(r) - 1) / (sqrt(r) + 1) of the loss that the bin holds.
    """
    used = (count > 0) & (loss.sum() > 0)
    count, loss = count[used], loss[used]
    order = np.argsort(loss / count, kind="stable")
    points = [np.concatenate([[0], np.cumsum(x[order]) / max(x.sum(), np.finfo(float).tiny)]) for x in (count, loss)]
    return Curve(*points)
