"""Losses of K independent sigmoids. Shapes as in `base.py`, curves in `curves.py`.

p_t is the probability given to what is there: p for the anchor's class, 1 - p for the others; alpha_t likewise.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import torch
from detectron2.config import CfgNode, configurable
from torch import Tensor

from ...registry import CLS_LOSS_REGISTRY
from .alpha import normalize_alpha
from .base import ClassificationLoss
from .curves import (
    Curve,
    asymmetric_curve,
    focal_curve,
    focal_star_curve,
    hinge_curve,
    poly_focal_curve,
)
from .functional import one_vs_all, summed_loss

__all__ = [
    "AsymmetricFocalLoss",
    "OneVsAllLoss",
    "PolyFocalLoss",
    "SigmoidCrossEntropyLoss",
    "SigmoidFocalLoss",
    "SigmoidFocalStarLoss",
    "SigmoidHingeLoss",
]


class OneVsAllLoss(ClassificationLoss):
    """alpha_t curve(x), summed over anchors and classes. A subclass says which curve."""

    def __init__(
        self, alpha: float | Sequence[float] | None, negative: Curve, positive: Curve | None = None
    ) -> None:
        """Take the curves of the absent and of the present class; None if they are the same.

        Raises:
            ValueError: if `alpha` is out of range.
        """
        super().__init__()
        self.alpha = normalize_alpha(alpha)
        self._negative, self._positive = negative, positive or negative
        vector = torch.tensor(self.alpha, dtype=torch.float64) if self._has_vector() else None
        self.register_buffer("_alpha_vector", vector, persistent=False)

    def _has_vector(self) -> bool:
        return isinstance(self.alpha, tuple)

    def num_logits(self, num_classes: int) -> int:
        """One per class.

        Raises:
            ValueError: if there is a weight per class, but not for this number of classes.
        """
        if self._has_vector() and len(self.alpha) != num_classes:
            raise ValueError(
                f"model.cls_loss.alpha has {len(self.alpha)} weights, but model.num_classes is {num_classes}"
            )
        return num_classes

    def row_loss(
        self, logits: Tensor, labels: Tensor, with_grad: bool
    ) -> tuple[Tensor, Tensor | None]:
        """Loss of every anchor (M,) and its gradient (M, K), see `functional.RowLoss`."""
        alpha = self._alpha_vector.to(logits.dtype) if self._has_vector() else self.alpha
        return one_vs_all(
            logits,
            labels,
            with_grad,
            negative=self._negative,
            positive=self._positive,
            alpha=alpha,
        )

    def forward(self, logits: Tensor, labels: Tensor) -> Tensor:
        return summed_loss(logits, labels, self.row_loss)

    def extra_repr(self) -> str:
        """The settings, for `print(model)`."""
        settings = self._negative.keywords | {"alpha": self.alpha}
        return ", ".join(f"{key}={value}" for key, value in settings.items())


@CLS_LOSS_REGISTRY.register()
class SigmoidFocalLoss(OneVsAllLoss):
    """FL(p_t) = -alpha_t (1 - p_t)^gamma log(p_t), summed over anchors and classes.

    Source: "Focal Loss for Dense Object Detection", equation 5. With `label_smoothing` the logarithm becomes cross
    entropy with targets 1 - label_smoothing / 2 and label_smoothing / 2, as in EfficientDet's code.
    """

    @configurable
    def __init__(
        self,
        alpha: float | Sequence[float] | None = 0.25,
        gamma: float = 2.0,
        label_smoothing: float = 0.0,
    ) -> None:
        """Set the weights and the focus.

        Args:
            alpha: weight of the positives in [0, 1], one for all or one per class; None for no weights.
            gamma: focusing parameter, 0 or more.
            label_smoothing: in [0, 1), the share of the target that is spread over present and absent.

        Raises:
            ValueError: if a number is out of range.
        """
        _check("gamma", gamma, gamma >= 0, "0 or more")
        _check("label_smoothing", label_smoothing, 0 <= label_smoothing < 1, "in [0, 1)")
        super().__init__(alpha, partial(focal_curve, gamma=gamma, label_smoothing=label_smoothing))
        self.gamma, self.label_smoothing = gamma, label_smoothing

    @classmethod
    def from_config(cls, cfg: CfgNode) -> dict[str, Any]:
        """Detectron2's own keys for alpha, where a negative one means no weights, and gamma."""
        alpha = cfg.MODEL.RETINANET.FOCAL_LOSS_ALPHA
        focal = {
            "alpha": None if alpha < 0 else alpha,
            "gamma": cfg.MODEL.RETINANET.FOCAL_LOSS_GAMMA,
        }
        return focal | super().from_config(cfg)


@CLS_LOSS_REGISTRY.register()
class SigmoidCrossEntropyLoss(SigmoidFocalLoss):
    """CE(p_t) = -alpha_t log(p_t), summed over anchors and classes: focal loss without its factor.

    `alpha` 0.5 halves both sides and so is cross entropy at half the scale; None leaves it as it is.
    Source: "Focal Loss for Dense Object Detection", equations 1 and 3.
    """

    @configurable
    def __init__(
        self, alpha: float | Sequence[float] | None = None, label_smoothing: float = 0.0
    ) -> None:
        super().__init__(alpha=alpha, gamma=0.0, label_smoothing=label_smoothing)

    @classmethod
    def from_config(cls, cfg: CfgNode) -> dict[str, Any]:
        """`MODEL.RETINANET.CE_LOSS_ALPHA`, where negative means no weights."""
        alpha = cfg.MODEL.RETINANET.CE_LOSS_ALPHA
        return {"alpha": None if alpha < 0 else alpha} | ClassificationLoss.from_config(cfg)


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
        _check("gamma", gamma, gamma > 0, "more than 0")
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
        _check("gamma", gamma, gamma >= 0, "0 or more")
        _check("epsilon", epsilon, epsilon >= -1, "-1 or more")
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
        _check("gamma_pos", gamma_pos, gamma_pos >= 0, "0 or more")
        _check("gamma_neg", gamma_neg, gamma_neg >= 0, "0 or more")
        _check("margin", margin, 0 <= margin < 1, "in [0, 1)")
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
        _check("margin", margin, 0 < margin <= 1, "in (0, 1]")
        super().__init__(alpha, partial(hinge_curve, margin=margin))


def _check(name: str, value: float, fits: bool, wanted: str) -> None:
    if not fits:
        raise ValueError(f"model.cls_loss.{name} must be {wanted}, got {value}")
