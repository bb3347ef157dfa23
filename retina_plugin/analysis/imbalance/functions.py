"""Losses as functions of x_t, the log-odds of the probability of the ground truth."""

from collections.abc import Mapping, Sequence

import numpy as np
import torch

from ...config import ConfigError
from ...modeling.losses import ClassificationLoss, DenseTargets, SigmoidFocalLoss, SoftmaxFocalLoss, stationary_prob
from ...modeling.losses.one_vs_all import OneVsAllLoss
from ..named_losses import named_losses

GAMMAS = (0.0, 0.5, 1.0, 2.0)  # of the paper's figure 4
CROSS_ENTROPY, FOCAL = "CE (γ = 0)", "focal, γ = 2"


def is_function_of_p_t(loss: ClassificationLoss) -> bool:
    """Whether the loss of an element depends on nothing but its p_t and on whether its class is present."""
    if isinstance(loss, SoftmaxFocalLoss):
        return True
    has_weights_by_class = isinstance(getattr(loss, "alpha", None), tuple)
    return isinstance(loss, OneVsAllLoss) and not (loss.couples_anchors or loss.uses_quality or has_weights_by_class)


def loss_and_gradient_norm(loss: ClassificationLoss, x_t: np.ndarray, present: bool) -> tuple[np.ndarray, np.ndarray]:
    """Loss of elements with `x_t`, of any shape, and the absolute derivative by x_t; in float64.

    `present` says whether the class is present. With sigmoids the derivative is that by the logit; with a softmax it is
    half the sum of the absolute gradients of the anchor's logits. The loss must be a function of p_t.
    """
    logits = torch.from_numpy(np.ravel(x_t if present else -x_t)).double()[:, None]
    rest = logits.new_zeros(len(logits), loss.num_logits(1) - 1)
    labels = torch.full((len(logits),), 0 if present else 1)
    values, slopes = loss.loss_and_gradient(torch.cat([logits, rest], 1), DenseTargets(labels))
    return values.sum(1).numpy().reshape(x_t.shape), slopes[:, 0].abs().numpy().reshape(x_t.shape)


def best_start(loss: ClassificationLoss, foreground_share: float, num_classes: int = 1) -> float | None:
    """The score of all logits with the smallest loss, see `stationary_prob`; None without one, as with alpha 0 or 1."""
    try:
        return stationary_prob(loss, num_classes, foreground_share)
    except ValueError:
        return None


def focal_losses(gammas: Sequence[float] = GAMMAS) -> dict[str, ClassificationLoss]:
    """Focal losses without alpha by name, as functions of p_t: gamma 0 is cross entropy."""
    return {f"focal, γ = {g:g}" if g else CROSS_ENTROPY: SigmoidFocalLoss(None, g) for g in gammas}


def chosen_losses(names: Sequence[str], num_logits: int, num_classes: int) -> Mapping[str, ClassificationLoss]:
    """The losses of configs/common/losses.py with these names, or without any the focal losses of the paper's figure.

    Raises:
        ConfigError: for an unknown name, or a loss that is no function of p_t or needs another number of logits.
    """
    if not names:
        return focal_losses()
    try:
        losses = named_losses(names)
    except ValueError as e:
        raise ConfigError(f"--losses: {e}") from e
    for name, loss in losses.items():
        if not is_function_of_p_t(loss):
            raise ConfigError(f"--losses {name}: its loss of a logit depends on other logits too: choose another")
        if loss.num_logits(num_classes) != num_logits:
            needed = f"{loss.num_logits(num_classes)} logits per anchor, and this detector has {num_logits}"
            raise ConfigError(f"--losses {name} needs {needed}: choose another")
    return losses
