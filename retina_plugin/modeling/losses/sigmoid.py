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
from .alpha import check_setting, normalize_alpha
from .base import ClassificationLoss
from .kernels.curves import Curve, focal_curve
from .kernels.functional import one_vs_all, summed_loss

__all__ = ["OneVsAllLoss", "SigmoidCrossEntropyLoss", "SigmoidFocalLoss"]


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
        check_setting("gamma", gamma, gamma >= 0, "0 or more")
        check_setting("label_smoothing", label_smoothing, 0 <= label_smoothing < 1, "in [0, 1)")
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
