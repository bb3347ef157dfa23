"""Unintended differences between the variants of a study, and the limits above which a report warns.

One override of a loss also changes where the loss starts, the norm of its gradients, how often they are clipped, their
weight against the gradients of boxes, and which scores objects get. Each of these alone may decide a comparison.
"""

import math
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Ledger:
    """Properties of one variant besides its results, as means over its finished runs; NaN where unknown.

    Attributes:
        prior_prob: score at which every class starts.
        stationary_prob: constant score at which the classification loss is smallest for the training data.
        start_distance: prior_prob minus stationary_prob in logits; positive if the run starts with too high scores.
        unknown: why `start_distance` is unknown.
        grad_norm: norm of the whole gradient at step 0, before clipping.
        clipped_share: share of updates whose gradient was clipped.
        cls_shares: by number of iterations, the gradient norm of the classification loss over the sum of the gradient
            norms of both losses, on one batch of one run.
        threshold: score below which the deployed detector drops detections (`model.test_score_thresh`).
        hidden_share: share of the true positives at IoU .5 with a lower score; NaN if the evaluation dropped them.
        last_lr: last learning rate.
        lr_share: last learning rate relative to the highest one.
        schedule_left: share of the schedule that was not trained.
    """

    variant: str
    prior_prob: float = math.nan
    stationary_prob: float = math.nan
    start_distance: float = math.nan
    unknown: str = ""
    grad_norm: float = math.nan
    clipped_share: float = math.nan
    cls_shares: dict[int, float] = field(default_factory=dict)
    threshold: float = math.nan
    hidden_share: float = math.nan
    last_lr: float = math.nan
    lr_share: float = math.nan
    schedule_left: float = math.nan

    @property
    def first_cls_share(self) -> float:
        """Share of classification in the gradient at step 0."""
        return self.cls_shares.get(0, math.nan)

    @property
    def last_cls_share(self) -> float:
        """Share of classification in the gradient at the end."""
        last = max(self.cls_shares, default=0)
        return self.cls_shares[last] if last else math.nan


@dataclass(frozen=True)
class Check:
    """One thing that must not differ between two variants unless the hypothesis names it.

    Attributes:
        value: the attribute of `Ledger` that is compared.
        most: the largest difference that is allowed; with `is_factor`, the largest ratio.
        text: the warning; a and b are the values, better and than the names of the variants.
        keys: prefixes of config keys. A hypothesis names the difference if only one variant overrides such a key.
        match: the name in `MATCHES` that removes the difference; empty if there is none.
    """

    value: str
    most: float
    text: str
    keys: tuple[str, ...]
    match: str = ""
    is_factor: bool = False

    def differ(self, a: float, b: float) -> bool:
        """Whether two values differ by more than is allowed."""
        return max(a, b) > self.most * min(a, b) if self.is_factor else abs(a - b) > self.most


CHECKS = (
    Check(
        "start_distance",
        1.0,  # logits: a factor of 2.7 in the odds of every score
        "{better} starts {a:+.1f} logits from the constant score at which its loss is smallest, {than} {b:+.1f}: a "
        "short schedule may compare nothing but these starts",
        ("model.head.prior_prob", "train.init_checkpoint"),
        "prior",
    ),
    Check(
        "grad_norm",
        3.0,
        "{better} has a gradient of norm {a:.3g} at step 0, {than} one of {b:.3g}: with SGD, and where gradients are "
        "clipped, that acts like another learning rate",
        ("model.cls_loss_weight",),
        "scale",
        is_factor=True,
    ),
    Check(
        "clipped_share",
        0.1,
        "{better} had {a:.0%} of its updates clipped, {than} {b:.0%}",
        ("train.clip_grad_norm",),
        "clip",
    ),
    Check(
        "first_cls_share",
        0.2,
        "{better} gives classification {a:.0%} of its gradient at step 0, {than} {b:.0%}; boxes have the rest",
        ("model.cls_loss_weight",),
        "scale",
    ),
    Check(
        "last_cls_share",
        0.2,
        "{better} gives classification {a:.0%} of its gradient at the end, {than} {b:.0%}; boxes have the rest (a "
        "variant with another model.cls_loss_weight shows what this is worth)",
        ("model.cls_loss_weight",),
    ),
    Check(
        "hidden_share",
        0.1,
        "{better} has {a:.0%} of its true positives under the score threshold, {than} {b:.0%}: with a threshold, their "
        "results also depend on calibration",
        ("model.test_score_thresh",),
    ),
    Check(
        "last_lr",
        1.5,
        "{better} ends with a learning rate of {a:.3g}, {than} with {b:.3g}",
        ("optimizer.", "lr_multiplier", "train.max_iter"),
        is_factor=True,
    ),
    Check(
        "schedule_left",
        0.05,
        "{better} ended with {a:.0%} of its schedule left, {than} with {b:.0%}",
        ("train.max_iter", "train.early_stopping"),
    ),
)
