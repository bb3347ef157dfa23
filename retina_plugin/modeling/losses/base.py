"""The interface of classification losses.

Shapes: M anchors; K classes; C logits per anchor (K, or K + 1 with softmax).
"""

# TorchScript reads the annotations of `forward`, so they must not be strings: no `from __future__ import annotations`.
import inspect
import logging
import math
from typing import Any

import torch
from detectron2.config import CfgNode
from detectron2.utils.logger import log_first_n
from torch import Tensor, nn

from ...registry import CLS_LOSS_REGISTRY
from .targets import DenseTargets

# arguments of losses, Detectron2's keys for them, which only some losses read, and the defaults of these
_FOCAL_LOSS_KEYS = {"alpha": ("FOCAL_LOSS_ALPHA", 0.25), "gamma": ("FOCAL_LOSS_GAMMA", 2.0)}


class ClassificationLoss(nn.Module):
    """A formula together with what depends on it: the number of logits, the activation and the bias prior.

    The defaults are those of K independent sigmoids. A subclass overrides at least one of

    - `elementwise`, the loss of each logit: weights, ignored anchors and `loss_and_gradient` then work as well;
    - `forward`, the summed loss, if it needs none of these.

    A subclass that computes value and gradient faster than autograd of `elementwise` overrides `weighted_sum`, too. One
    that overrides `elementwise` alone does not inherit a `weighted_sum` that was written for another formula.
    TorchScript compiles `scores` only, because the rest is for training. Constructors raise ValueError for a setting
    that is out of range.
    """

    uses_quality = False
    """Whether `elementwise` reads `targets.quality`."""
    couples_anchors = False
    """Whether the loss of an anchor depends on the other anchors of the batch."""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Hide an overridden `forward` from TorchScript; drop an inherited `weighted_sum` of another formula."""
        super().__init_subclass__(**kwargs)
        if "forward" in vars(cls):
            cls.forward = torch.jit.unused(cls.forward)
        latest, *earlier = [vars(x) for x in cls.__mro__ if {"elementwise", "weighted_sum"} & vars(x).keys()]
        if "weighted_sum" not in latest and "elementwise" in earlier[0]:
            cls.weighted_sum = ClassificationLoss.weighted_sum

    @classmethod
    def from_config(cls, cfg: CfgNode) -> dict[str, Any]:
        """Arguments of the constructor from `MODEL.RETINANET.CLS_LOSS_ARGS`, where None means the default."""
        arguments = cfg.MODEL.RETINANET.CLS_LOSS_ARGS
        return {name: value for name, value in arguments.items() if value is not None}

    def num_logits(self, num_classes: int) -> int:
        """Logits per anchor for `num_classes` classes; ValueError if there are none."""
        if num_classes < 1:
            raise ValueError(f"model.num_classes must be 1 or more, got {num_classes}")
        return num_classes

    def elementwise(self, logits: Tensor, targets: DenseTargets) -> Tensor:
        """The formula: loss (M, C) of each logit, without `targets.weights`, in differentiable operations.

        Logits (M, C), C = `num_logits(K)`, are finite and in float32 or float64. A softmax loss puts the loss of an
        anchor into the column of its label. Rows of ignored anchors may hold any finite value. If the loss of an
        anchor depends on the other anchors of the batch, the class sets `couples_anchors`; its docstring says how.

        Raises:
            NotImplementedError: if the subclass does not define it.
        """
        raise NotImplementedError(
            f"{type(self).__name__} must define elementwise(logits (M, C), targets: DenseTargets), which returns the"
            " loss (M, C) of each logit, to be used with weights or to report the loss of each anchor"
        )

    @torch.jit.unused
    def forward(self, logits: Tensor, labels: Tensor) -> Tensor:
        """The loss summed over anchors, a scalar: `dense_loss` of logits (M, C) for labels alone.

        `labels` are (M,) integers: -1 is ignored, 0..K-1 a class, K background.
        """
        return self.weighted_sum(logits, DenseTargets(labels))

    @torch.jit.unused
    def dense_loss(self, logits: Tensor, targets: DenseTargets) -> Tensor:
        """The loss that the detector minimises: summed over the anchors that are not ignored, a scalar.

        Raises:
            ValueError: if logits (M, C) and targets differ in length, or the loss cannot use the quality or weights.
        """
        self._check_targets(logits, targets)
        if type(self).forward is ClassificationLoss.forward:
            return self.weighted_sum(logits, targets)
        if targets.weights is not None:
            raise ValueError(
                f"{type(self).__name__} overrides forward(logits, labels), which cannot use targets.weights;"
                " replace it by elementwise(logits, targets) or weighted_sum(logits, targets)"
            )
        return self(logits, targets.labels)

    def weighted_sum(self, logits: Tensor, targets: DenseTargets) -> Tensor:
        """Sum of `elementwise` times `targets.weights` over the anchors that are not ignored, a scalar."""
        return self._weighted_elements(logits, targets).sum()

    def loss_and_gradient(self, logits: Tensor, targets: DenseTargets) -> tuple[Tensor, Tensor]:
        """Loss (M, C) of each logit and gradient (M, C) of their sum, by autograd of `elementwise`.

        Both are weighted as in `dense_loss`, and zero for ignored anchors. They are in float32, or float64 for such
        logits. It is slower than `dense_loss` and meant for diagnosis.

        Raises:
            ValueError: as in `dense_loss`.
            NotImplementedError: if the loss does not define `elementwise`.
        """
        self._check_targets(logits, targets)
        if not self._formula_is_current():
            ClassificationLoss.elementwise(self, logits, targets)  # raises
        with torch.enable_grad():
            dtype = torch.promote_types(logits.dtype, torch.float32)
            logits = logits.detach().to(dtype).requires_grad_()
            loss = self._weighted_elements(logits, targets)
            return loss.detach(), torch.autograd.grad(loss.sum(), logits)[0]

    def scores(self, logits: Tensor) -> Tensor:
        """Class probabilities (..., K) of logits (..., C)."""
        return logits.sigmoid()

    def prior_bias(self, num_classes: int, prior_prob: float) -> Tensor:
        """Bias (C,) of the last layer for which an untrained detector scores every class `prior_prob`.

        Source: "Focal Loss for Dense Object Detection", sections 3.3 and 4.1.

        Raises:
            ValueError: if `prior_prob` is not strictly between 0 and 1.
        """
        return torch.full((self.num_logits(num_classes),), log_odds(prior_prob))

    def _check_targets(self, logits: Tensor, targets: DenseTargets) -> None:
        if len(logits) != len(targets.labels):
            raise ValueError(f"{len(logits)} rows of logits do not fit {len(targets.labels)} targets.labels")
        if targets.quality is not None and not self.uses_quality:
            name = type(self).__name__
            raise ValueError(f"{name} cannot use targets.quality; choose a model.cls_loss that does, or pass none")

    def _weighted_elements(self, logits: Tensor, targets: DenseTargets) -> Tensor:
        """`elementwise` (M, C) times the weights; zero loss and gradient for ignored anchors, whatever their logits."""
        ignored = (targets.labels < 0)[:, None]
        dtype = torch.promote_types(logits.dtype, torch.float32)
        loss = self.elementwise(logits.to(dtype).masked_fill(ignored, 0), targets)
        if targets.weights is not None:
            loss = loss * targets.weights.detach().to(loss.dtype)[:, None]
        return loss.masked_fill(ignored, 0)

    def _formula_is_current(self) -> bool:
        """False if a subclass overrides `forward` alone, so that `elementwise` still describes its base class."""
        classes = [vars(cls) for cls in type(self).__mro__]
        return next("elementwise" in x for x in classes if "elementwise" in x or "forward" in x)


def log_odds(prob: float) -> float:
    """The logit whose sigmoid is `prob`.

    Raises:
        ValueError: if `prob` is not strictly between 0 and 1.
    """
    if not 0 < prob < 1:
        raise ValueError(f"model.head.prior_prob must be between 0 and 1, got {prob}")
    return -math.log((1 - prob) / prob)


def build_cls_loss(cfg: CfgNode) -> ClassificationLoss:
    """The classification loss named by `MODEL.RETINANET.CLS_LOSS`; ValueError for an argument that it does not have."""
    name = cfg.MODEL.RETINANET.CLS_LOSS
    loss = CLS_LOSS_REGISTRY.get(name)
    arguments, known = loss.from_config(cfg), inspect.signature(loss).parameters
    takes_any = any(parameter.kind is parameter.VAR_KEYWORD for parameter in known.values())
    if not takes_any and (unknown := sorted(arguments.keys() - known)):
        raise ValueError(
            f"MODEL.RETINANET.CLS_LOSS_ARGS.{unknown[0]} is not an argument of {name}, which has "
            f"{', '.join(known) or 'none'}"
        )
    for argument, (key, default) in _FOCAL_LOSS_KEYS.items():
        if argument in known.keys() - arguments and (value := cfg.MODEL.RETINANET[key]) != default:
            log_first_n(
                logging.WARNING,
                f"{name} does not read MODEL.RETINANET.{key}={value}: set MODEL.RETINANET.CLS_LOSS_ARGS.{argument}",
                key="message",
            )
    return loss(**arguments)
