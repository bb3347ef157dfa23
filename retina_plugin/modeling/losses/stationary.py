"""The constant score at which a classification loss is smallest: the start for a detector that knows nothing.

p is one score for all anchors and classes, s the share of (anchor, class) logits that are foreground, K classes.
Minimising s L+(p) + (1 - s) L-(p) gives s for cross entropy, a s / (a s + (1 - a) (1 - s)) with weight alpha = a,
and K s for softmax cross entropy, whose classes together score p. Focal loss has no closed form.
"""

import numpy as np
import torch
from torch import Tensor

from .base import ClassificationLoss, log_odds
from .targets import DenseTargets

STATIONARY = "stationary"
"""The value of `model.head.prior_prob` that requests this score."""

_LIMIT = 20.0  # log-odds: scores between 2e-9 and 1 - 2e-9
_GRID_STEP = 0.5  # log-odds; the search continues between the neighbours of the lowest grid point
_NO_SCORE = "so model.head.prior_prob='stationary' cannot be computed for it: set model.head.prior_prob to a number"


def stationary_prob(loss: ClassificationLoss, num_classes: int, foreground_share: float) -> float:
    """The `prior_prob` for which `loss.prior_bias` gives the smallest expected loss of a constant prediction.

    All classes are assumed to be equally frequent. Works for every loss with an `elementwise` formula, in float64, up
    to about 1e-6 in log-odds, which is the precision of a bias in float32.

    Args:
        num_classes: K.
        foreground_share: share of all (anchor, class) logits that belong to an anchor's own class, ignored anchors
            left out; foreground anchors are K times this share of all anchors.

    Raises:
        ValueError: if the share is not strictly between 0 and 1 / K, or the loss has no such score: it does not define
            `elementwise`, couples the anchors of a batch, or is smallest at a score of 0 or 1.
    """
    if not 0 < foreground_share < 1 / num_classes:
        raise ValueError(
            f"the share of foreground logits must be between 0 and 1 / {num_classes} classes, got {foreground_share}"
        )
    if loss.couples_anchors:
        raise ValueError(f"{_name(loss)} weights every anchor by the other anchors of its batch, {_NO_SCORE}")

    def expected(log_odds_of_score: float) -> float:
        bias = loss.prior_bias(num_classes, _sigmoid(log_odds_of_score)).double()
        return expected_loss(loss, bias, num_classes, foreground_share)

    grid = np.arange(-_LIMIT, _LIMIT + _GRID_STEP, _GRID_STEP)
    lowest = int(np.argmin([expected(x) for x in grid]))
    if lowest in (0, len(grid) - 1):
        raise ValueError(f"{_name(loss)} is smallest at a score of {int(lowest > 0)}, {_NO_SCORE}")
    bounds = grid[lowest - 1], grid[lowest + 1]
    from scipy.optimize import minimize_scalar  # this import takes a third of a second, and few trainings need it

    return _sigmoid(minimize_scalar(expected, bounds=bounds, method="bounded", options={"xatol": 1e-7}).x)


def expected_loss(loss: ClassificationLoss, bias: Tensor, num_classes: int, foreground_share: float) -> float:
    """The mean loss of an anchor if every anchor has the logits `bias` (C,).

    One anchor of every class and one of background stand for all anchors, weighted by their shares.
    Raises a ValueError if the loss does not define `elementwise`.
    """
    labels = torch.arange(num_classes + 1)
    shares = torch.full((num_classes + 1,), foreground_share, dtype=torch.float64)
    shares[-1] = 1 - num_classes * foreground_share
    try:
        return loss.loss_and_gradient(bias.expand(num_classes + 1, -1), DenseTargets(labels, shares))[0].sum().item()
    except NotImplementedError as e:
        raise ValueError(f"{_name(loss)} does not define elementwise(logits, targets), {_NO_SCORE}") from e


def start_distance(start: float, stationary: float) -> float:
    """Difference in log-odds of the score `start` from the score `stationary`; negative if `start` is lower."""
    return log_odds(start) - log_odds(stationary)


def _sigmoid(x: float) -> float:
    return float(1 / (1 + np.exp(-x)))


def _name(loss: ClassificationLoss) -> str:
    return f"model.cls_loss={type(loss).__name__}"
