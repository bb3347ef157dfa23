"""Who holds the loss and the gradient of a checkpoint under one loss, from its histograms.

The gradient is the sum of absolute derivatives, see `functions.py`. Shares by class and by size are of foreground only,
all others of foreground and background together.
"""

from dataclasses import dataclass

import numpy as np

from ...modeling.losses import ClassificationLoss
from .curves import Curve, cumulative_loss
from .elements import BACKGROUND, FOREGROUND, NUM_KINDS, OTHER
from .functions import loss_and_gradient_norm
from .histogram import LogitHistogram
from .xray import Xray


@dataclass(frozen=True)
class Shares:
    """Sums of one loss and of its gradient norm, in this order along the first axis.

    Attributes:
        by_level: (2, kind, L), see `elements.py` for kinds.
        by_class: (2, kind, K), or (2, kind, K + 1) of a softmax.
        by_size: (2, 3) of foreground, by size of its object.
        foreground, background: curves of their cumulative loss.
    """

    by_level: np.ndarray
    by_class: np.ndarray
    by_size: np.ndarray
    foreground: Curve
    background: Curve

    @property
    def of_background(self) -> np.ndarray:
        """(2,) share of the loss and of the gradient that background holds; NaN for a sum of 0."""
        return _share(self.by_level[:, [BACKGROUND, OTHER]].sum((1, 2)), self.by_level.sum((1, 2)))

    @property
    def of_other_classes(self) -> np.ndarray:
        """(2,) share of the logits of other classes at foreground anchors, which is part of `of_background`."""
        return _share(self.by_level[:, OTHER].sum(1), self.by_level.sum((1, 2)))

    @property
    def of_levels(self) -> np.ndarray:
        """(2, 2, L) share of the whole that foreground and background hold at every level; they are the second axis."""
        parts = np.stack([self.by_level[:, FOREGROUND], self.by_level[:, [BACKGROUND, OTHER]].sum(1)], 1)
        return _share(parts, self.by_level.sum((1, 2))[:, None, None])

    @property
    def of_classes(self) -> np.ndarray:
        """(2, K) share of the foreground's sum that every class holds."""
        own = self.by_class[:, FOREGROUND]
        return _share(own, own.sum(1, keepdims=True))

    @property
    def of_sizes(self) -> np.ndarray:
        """(2, 3) share of the foreground's sum that objects of every size hold."""
        return _share(self.by_size, self.by_size.sum(1, keepdims=True))


def shares_of(xray: Xray, loss: ClassificationLoss) -> Shares:
    """The sums over all elements under a loss that is a function of p_t."""
    return Shares(
        by_level=_sums_by_kind(xray.by_level, loss),
        by_class=_sums_by_kind(xray.by_class, loss),
        by_size=_sums(xray.by_size, loss, True),
        foreground=_curve(xray, loss, True),
        background=_curve(xray, loss, False),
    )


def _curve(xray: Xray, loss: ClassificationLoss, foreground: bool) -> Curve:
    count, x_t = xray.elements(foreground)
    return cumulative_loss(count, count * loss_and_gradient_norm(loss, x_t, foreground)[0])


def _sums_by_kind(histogram: LogitHistogram, loss: ClassificationLoss) -> np.ndarray:
    """(2, kind, N) sums of loss and gradient norm, from (kind, N) histograms."""
    rows = [LogitHistogram(histogram.count[k], histogram.total[k]) for k in range(NUM_KINDS)]
    return np.stack([_sums(row, loss, kind == FOREGROUND) for kind, row in enumerate(rows)], 1)


def _sums(histogram: LogitHistogram, loss: ClassificationLoss, present: bool) -> np.ndarray:
    """(2, ...) sums of loss and gradient norm over the bins of histograms."""
    used = histogram.count > 0
    values = np.zeros((2, *histogram.count.shape))
    values[:, used] = loss_and_gradient_norm(loss, histogram.mean()[used], present)
    return (values * histogram.count).sum(-1)


def _share(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    return np.divide(part, whole, out=np.full(part.shape, np.nan), where=whole > 0)
