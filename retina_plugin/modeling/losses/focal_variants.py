"""Relatives of focal loss over K independent sigmoids. Shapes as in `base.py`, curves in `curves.py`."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from detectron2.config import configurable

from ...registry import CLS_LOSS_REGISTRY
from .alpha import check_setting
from .kernels.curves import (
    asymmetric_curve,
    focal_curve,
    focal_star_curve,
    hinge_curve,
    poly_focal_curve,
)
from .sigmoid import OneVsAllLoss

__all__ = ["AsymmetricFocalLoss", "PolyFocalLoss", "SigmoidFocalStarLoss", "SigmoidHingeLoss"]


@CLS_LOSS_REGISTRY.register()
class SigmoidFocalStarLoss(OneVsAllLoss):
    """FL*(p_t) = -alpha_t log(p*_t) / gamma with p*_t = sigmoid(gamma x_t + beta) and x_t = y x, y = 1 or -1.

    Source: "Focal Loss for Dense Object Detection", appendix A; gamma 2, beta 1 and gamma 4, beta 0 in its table 3.
    """

    @configurable
    def __init__(
        self,
        alpha: float | Sequence[float] | None = 0.25,
        gamma: float = 2.0,
        beta: float = 1.0,
    ) -> None:
        """Take the weights as in `SigmoidFocalLoss`, steepness `gamma` > 0 and shift `beta`.

        Raises:
            ValueError: if a number is out of range.
        """
        check_setting("gamma", gamma, gamma > 0, "more than 0")
        super().__init__(alpha, partial(focal_star_curve, gamma=gamma, beta=beta))


@CLS_LOSS_REGISTRY.register()
class PolyFocalLoss(OneVsAllLoss):
    """alpha_t (-(1 - p_t)^gamma log(p_t) + epsilon (1 - p_t)^(gamma + 1)): focal loss with its first term reweighted.

    Source: "PolyLoss: A Polynomial Expansion Perspective of Classification Loss Functions", Poly-1 of focal loss.
    `alpha` weighs both terms.
    """

    @configurable
    def __init__(
        self,
        alpha: float | Sequence[float] | None = 0.25,
        gamma: float = 2.0,
        epsilon: float = -1.0,
    ) -> None:
        """Take alpha and gamma as in `SigmoidFocalLoss`, and the first coefficient's change `epsilon` >= -1.

        Raises:
            ValueError: if a number is out of range.
        """
        check_setting("gamma", gamma, gamma >= 0, "0 or more")
        check_setting("epsilon", epsilon, epsilon >= -1, "-1 or more")
        super().__init__(alpha, partial(poly_focal_curve, gamma=gamma, epsilon=epsilon))


@CLS_LOSS_REGISTRY.register()
class AsymmetricFocalLoss(OneVsAllLoss):
    """-(1 - p)^gamma_pos log(p) where the class is present, -p_m^gamma_neg log(1 - p_m) where it is absent.

    p_m = max(p - margin, 0): an absent class with a score below `margin` costs nothing.
    Source: "Asymmetric Loss For Multi-Label Classification", equation 7.
    """

    @configurable
    def __init__(
        self,
        gamma_pos: float = 0.0,
        gamma_neg: float = 4.0,
        margin: float = 0.05,
        alpha: float | Sequence[float] | None = None,
    ) -> None:
        """Take a focus per side, both >= 0, a `margin` in [0, 1), and weights as in `SigmoidFocalLoss`.

        Raises:
            ValueError: if a number is out of range.
        """
        check_setting("gamma_pos", gamma_pos, gamma_pos >= 0, "0 or more")
        check_setting("gamma_neg", gamma_neg, gamma_neg >= 0, "0 or more")
        check_setting("margin", margin, 0 <= margin < 1, "in [0, 1)")
        negative = partial(asymmetric_curve, gamma=gamma_neg, margin=margin)
        super().__init__(alpha, negative, partial(focal_curve, gamma=gamma_pos))
        self.gamma_pos = gamma_pos

    def extra_repr(self) -> str:
        """The settings, for `print(model)`."""
        return f"gamma_pos={self.gamma_pos}, negative: {super().extra_repr()}"


@CLS_LOSS_REGISTRY.register()
class SigmoidHingeLoss(OneVsAllLoss):
    """alpha_t max(0, margin - p_t), summed over anchors and classes.

    Source: "Focal Loss for Dense Object Detection", section 5.1: tried, unstable, without meaningful results. Its
    gradient p_t (1 - p_t) vanishes for what is most wrong, which at the start is every object.
    """

    @configurable
    def __init__(self, margin: float = 0.5, alpha: float | Sequence[float] | None = None) -> None:
        """Take the p_t beyond which there is no loss, in (0, 1], and weights as in `SigmoidFocalLoss`.

        Raises:
            ValueError: if a number is out of range.
        """
        check_setting("margin", margin, 0 < margin <= 1, "in (0, 1]")
        super().__init__(alpha, partial(hinge_curve, margin=margin))
