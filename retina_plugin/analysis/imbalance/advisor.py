"""The logits of one checkpoint under other alpha and gamma, and the initial score that its data imply.

With F and B the sums of the gradient norms of foreground and background under focal loss without alpha, alpha gives
background the share (1 - alpha) B / (alpha F + (1 - alpha) B). The share t therefore needs alpha = (1 - t) B / ((1 - t)
B + t F).
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from ...config import ConfigError
from ...modeling.losses import ClassificationLoss, SigmoidFocalLoss
from .functions import best_start, loss_and_gradient_norm
from .xray import Xray

GAMMAS = (0.0, 0.5, 1.0, 2.0, 3.0, 5.0)
ALPHAS = (0.1, 0.25, 0.5, 0.75, 0.9, 0.99)
_NEAR = 0.1


@dataclass(frozen=True)
class Advice:
    """Shares of background under focal loss at one checkpoint, for G values of gamma and A of alpha.

    Gamma 0 is cross entropy.

    Attributes:
        target: the share of the gradient that background should hold.
        shares: (2, G, A) background's share of the loss and of the gradient.
        alphas: (G,) the alpha with which background holds the target share, strictly between 0 and 1; NaN if there is
            none, because foreground or background has no gradient.
    """

    target: float
    shares: np.ndarray
    alphas: np.ndarray

    @property
    def is_near(self) -> np.ndarray:
        """(G, A) whether background's share of the gradient differs from the target by .1 at most."""
        return np.abs(self.shares[1] - self.target) <= _NEAR


def advise(xray: Xray, target: float = 0.5) -> Advice:
    """Replay the elements under a grid of `GAMMAS` and `ALPHAS`.

    Raises:
        ConfigError: if the target is not strictly between 0 and 1.
    """
    check_target(target)
    foreground, background = (_sums(xray, present) for present in (True, False))
    alpha = np.array(ALPHAS)
    weighted = alpha * foreground[..., None], (1 - alpha) * background[..., None]
    with np.errstate(invalid="ignore"):  # without any element, shares are NaN
        shares = weighted[1] / (weighted[0] + weighted[1])
        f, b = target * foreground[1], (1 - target) * background[1]
        alphas = b / (b + f)
        return Advice(target, shares, np.where((alphas > 0) & (alphas < 1), alphas, np.nan))


def check_target(target: float) -> None:
    """Raise ConfigError if a share of background is not strictly between 0 and 1."""
    if not 0 < target < 1:
        raise ConfigError(f"--target-background-share must be between 0 and 1, got {target}")


def rounded(alpha: float) -> float:
    """Alpha with three significant digits, or with those of 1 - alpha where that is smaller."""
    return round(alpha, 2 - math.floor(math.log10(min(alpha, 1 - alpha))))


def _sums(xray: Xray, present: bool) -> np.ndarray:
    """(2, G) sums of loss and gradient norm without alpha."""
    count, x_t = xray.elements(present)
    values = [loss_and_gradient_norm(SigmoidFocalLoss(None, gamma), x_t, present) for gamma in GAMMAS]
    return (np.array(values) * count).sum(-1).T


def implied_priors(xray: Xray, losses: Mapping[str, ClassificationLoss]) -> dict[str, float]:
    """By name, the constant score that minimises each loss for the data's share of foreground; NaN without such one."""
    share, number = xray.foreground_share, xray.num_classes
    return {name: best_start(loss, share, number) or math.nan for name, loss in losses.items()}
