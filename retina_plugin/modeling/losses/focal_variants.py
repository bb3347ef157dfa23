"""Variants of focal loss. Shapes as in `base.py`; x_t, p_t and alpha_t as in `one_vs_all.py`."""

from collections.abc import Sequence
from functools import partial

import torch
from detectron2.config import configurable
from torch import Tensor
from torch.nn.functional import logsigmoid

from ...registry import CLS_LOSS_REGISTRY
from .checks import check_number
from .kernels import binary_losses
from .one_vs_all import OneVsAllLoss, is_present, signed_logits
from .targets import DenseTargets


@CLS_LOSS_REGISTRY.register()
class SigmoidFocalStarLoss(OneVsAllLoss):
    """FL*(p_t) = -alpha_t log(p*_t) / gamma with p*_t = sigmoid(gamma x_t + beta).

    Source: "Focal Loss for Dense Object Detection", appendix A. Its table 3 has gamma 2, beta 1 and gamma 4, beta 0.
    """

    @configurable
    def __init__(self, alpha: float | Sequence[float] | None = 0.25, gamma: float = 2.0, beta: float = 1.0) -> None:
        """Set the weights as in `SigmoidFocalLoss`, the steepness `gamma` > 0 and the shift `beta`."""
        check_number("gamma", gamma, "more than 0", lambda x: x > 0)
        check_number("beta", beta, "a finite number", lambda x: True)
        super().__init__(alpha, partial(binary_losses.focal_star, gamma=gamma, beta=beta))
        self.gamma, self.beta = gamma, beta

    def elementwise(self, logits: Tensor, targets: DenseTargets) -> Tensor:
        x_t = signed_logits(logits, targets.labels)
        log_p_t = logsigmoid(self.gamma * x_t + self.beta)
        return self.alpha_t(logits, targets.labels) * -log_p_t / self.gamma


@CLS_LOSS_REGISTRY.register()
class PolyFocalLoss(OneVsAllLoss):
    """alpha_t (-(1 - p_t)^gamma log(p_t) + epsilon (1 - p_t)^(gamma + 1)): focal loss with its first term reweighted.

    Source: "PolyLoss: A Polynomial Expansion Perspective of Classification Loss Functions", Poly-1 of focal loss.
    `alpha` weights both terms.
    """

    @configurable
    def __init__(self, alpha: float | Sequence[float] | None = 0.25, gamma: float = 2.0, epsilon: float = -1.0) -> None:
        """Set alpha and gamma as in `SigmoidFocalLoss`, and `epsilon` >= -1, the change of the first coefficient."""
        check_number("gamma", gamma, "0 or more", lambda x: x >= 0)
        check_number("epsilon", epsilon, "-1 or more", lambda x: x >= -1)
        super().__init__(alpha, partial(binary_losses.poly_focal, gamma=gamma, epsilon=epsilon))
        self.gamma, self.epsilon = gamma, epsilon

    def elementwise(self, logits: Tensor, targets: DenseTargets) -> Tensor:
        x_t = signed_logits(logits, targets.labels)
        focus = torch.exp(self.gamma * logsigmoid(-x_t))  # (1 - p_t)^gamma
        poly = -logsigmoid(x_t) + self.epsilon * torch.sigmoid(-x_t)
        return self.alpha_t(logits, targets.labels) * focus * poly


@CLS_LOSS_REGISTRY.register()
class AsymmetricFocalLoss(OneVsAllLoss):
    """-(1 - p)^gamma_pos log(p) where the class is present, -p_m^gamma_neg log(1 - p_m) where it is absent.

    p_m = max(p - margin, 0): an absent class with a score below `margin` has no loss.
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
        """Set the focusing parameters >= 0, the `margin` in [0, 1), and weights as in `SigmoidFocalLoss`."""
        check_number("gamma_pos", gamma_pos, "0 or more", lambda x: x >= 0)
        check_number("gamma_neg", gamma_neg, "0 or more", lambda x: x >= 0)
        check_number("margin", margin, "in [0, 1)", lambda x: 0 <= x < 1)
        negative = partial(binary_losses.asymmetric, gamma=gamma_neg, margin=margin)
        super().__init__(alpha, negative, partial(binary_losses.focal, gamma=gamma_pos))
        self.gamma_pos, self.gamma_neg, self.margin = gamma_pos, gamma_neg, margin

    def elementwise(self, logits: Tensor, targets: DenseTargets) -> Tensor:
        present = -torch.exp(self.gamma_pos * logsigmoid(-logits)) * logsigmoid(logits)
        smallest = torch.finfo(logits.dtype).tiny  # p_m^gamma_neg has no finite gradient at 0
        p_m = (torch.sigmoid(logits) - self.margin).clamp(min=smallest)
        log_margin = logits.new_tensor(self.margin).log()
        log_1_minus_p_m = torch.logaddexp(logsigmoid(-logits), log_margin).clamp(max=0)
        absent = -(p_m**self.gamma_neg) * log_1_minus_p_m
        loss = torch.where(is_present(logits, targets.labels), present, absent)
        return self.alpha_t(logits, targets.labels) * loss

    def extra_repr(self) -> str:
        return f"gamma_pos={self.gamma_pos}, negative: {super().extra_repr()}"


@CLS_LOSS_REGISTRY.register()
class SigmoidHingeLoss(OneVsAllLoss):
    """alpha_t max(0, margin - p_t), summed over anchors and classes.

    Source: "Focal Loss for Dense Object Detection", section 5.1, which reports unstable training without meaningful
    results. The gradient p_t (1 - p_t) vanishes as p_t goes to 0, where training starts for every object.
    """

    @configurable
    def __init__(self, margin: float = 0.5, alpha: float | Sequence[float] | None = None) -> None:
        """Set `margin` in (0, 1], the p_t above which the loss is zero, and weights as in `SigmoidFocalLoss`."""
        check_number("margin", margin, "in (0, 1]", lambda x: 0 < x <= 1)
        super().__init__(alpha, partial(binary_losses.hinge, margin=margin))
        self.margin = margin

    def elementwise(self, logits: Tensor, targets: DenseTargets) -> Tensor:
        p_t = torch.sigmoid(signed_logits(logits, targets.labels))
        return self.alpha_t(logits, targets.labels) * (self.margin - p_t).clamp(min=0)
