"""The initial score of the classifier, compared with the share of foreground in the data."""

import functools
from collections.abc import Iterator

from ....data import DataError
from ....engine.prior import measure_foreground_share
from ....engine.setup import PRIOR
from ....modeling.losses import ClassificationLoss, SoftmaxFocalLoss
from ....modeling.losses.stationary import STATIONARY, start_distance
from ...imbalance.functions import best_start
from ..finding import Finding
from ..subject import Subject
from .settings import setting
from .wiring import needs

_FAR = 1.5  # logits; at 1.8, cross entropy loses most of its AP in projects/CrossEntropyVsFocal/why_scale.py
_VERY_FAR = 3.5  # logits; 3.8 cost focal loss 15 AP (below) and 31 AP (above) in projects/CrossEntropyVsFocal/start.py
_NO_PRIOR = 0.3


@needs("model")
def prior(subject: Subject) -> Iterator[Finding]:
    """A loss that begins far from the score at which it is smallest: mmdetection#2049, Detectron#703.

    Source: "Focal Loss for Dense Object Detection", section 3.3: without the prior, cross entropy diverges at once. A
    wrong start costs focal loss as much: projects/CrossEntropyVsFocal/start.py.
    """
    start, loss = setting(subject.cfg, PRIOR, 0.01), subject.model.cls_loss
    if start == STATIONARY:
        return
    if start >= _NO_PRIOR:
        is_plain = _is_cross_entropy(loss)
        message = f"{PRIOR}={start:g} starts {'cross entropy' if is_plain else type(loss).__name__} without a prior: "
        message += "the loss of all background anchors together dominates the first updates"
        severity = "error" if is_plain else "warning"
        yield Finding(severity, "no-prior", message, PRIOR, f"{PRIOR}={STATIONARY if is_plain else 0.01}")
        return
    best = stationary_score(subject)
    if best is not None and abs(distance := start_distance(start, best)) > _FAR:
        message = (
            f"{PRIOR}={start:g} lies {abs(distance):.1f} logits {'above' if distance > 0 else 'below'} {best:.2g}, the "
            f"constant score at which {type(loss).__name__} is smallest, as {foreground_share(subject):.2g} of the "
            "logits are foreground"
        )
        is_costly = _is_cross_entropy(loss) or abs(distance) > _VERY_FAR
        severity = "warning" if is_costly else "hint"
        yield Finding(severity, "prior-far", message, PRIOR, f"{PRIOR}={STATIONARY}")


@needs("model")
def focus_and_weight(subject: Subject) -> Iterator[Finding]:
    """An alpha that does not suit gamma. Source: "Focal Loss for Dense Object Detection", tables 1a and 1b."""
    loss = subject.model.cls_loss
    alpha, gamma = getattr(loss, "alpha", None), getattr(loss, "gamma", None)
    if not isinstance(alpha, float) or not isinstance(gamma, int | float) or isinstance(loss, SoftmaxFocalLoss):
        return
    key = "model.cls_loss.alpha"
    if gamma >= 2 and alpha >= 0.75:
        message = f"alpha={alpha:g} with gamma={gamma:g}: gamma already takes weight from background (table 1b)"
        yield Finding("hint", "alpha-high", message, key, f"{key}=0.25")
    if gamma == 0 and alpha <= 0.25:
        message = f"alpha={alpha:g} without focus gave AP 10.8 or less, .75 gave 31.1 (table 1a)"
        yield Finding("warning", "alpha-low", message, key, f"{key}=0.75")


@functools.lru_cache(maxsize=1)
def foreground_share(subject: Subject) -> float | None:
    """The share of foreground among the logits of the first training batches; None if no anchor is foreground."""
    try:
        return measure_foreground_share(subject.cfg)
    except DataError:  # other checks report it
        return None


def stationary_score(subject: Subject) -> float | None:
    """The constant score at which the model's loss is smallest; None without such a score or without foreground."""
    share = foreground_share(subject)
    return None if share is None else best_start(subject.model.cls_loss, share, subject.model.num_classes)


def _is_cross_entropy(loss: ClassificationLoss) -> bool:
    return getattr(loss, "gamma", None) == 0 and not loss.couples_anchors
