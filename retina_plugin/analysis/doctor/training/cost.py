"""Time and memory of a whole training, and whether its first loss is plausible, estimated from its first steps."""

import math
from collections.abc import Iterator

from omegaconf import DictConfig

from ....engine.setup import PRIOR
from ....modeling.losses.stationary import STATIONARY, expected_loss
from ..finding import Finding
from ..subject import Subject
from .first_steps import FirstSteps, first_steps
from .prior import foreground_share, stationary_score
from .settings import batch_size, setting
from .wiring import needs

_FAR = 10.0  # times the loss of a constant score
_FIRST_NORMALIZER, _MOMENTUM = 100.0, 0.9  # of modeling.meta_arch.loss_normalizer


@needs("model", "train", "initial_weights")
def start(subject: Subject) -> Iterator[Finding]:
    """A first loss that is not finite, or far above the one of the prior: detectron2#550, pytorch-retinanet#40."""
    steps = first_steps(subject)
    place, fix = "model", "check pretrained weights, model.pixel_mean and model.pixel_std, and the data of these images"
    if steps.problem:
        yield Finding("error", "start-not-finite", f"the first step fails: {steps.problem}", place, fix)
        return
    found, expected = steps.losses.get("loss_cls"), expected_start(subject, steps)
    if found is not None and expected is not None and found > _FAR * expected:
        message = (
            f"loss_cls is {found:.3g} at the first step, {found / expected:.0f} times the {expected:.3g} of a detector "
            "that scores every class by its prior: the features are far too large"
        )
        yield Finding("warning", "start-loss", message, place, fix)


@needs("model", "train", "test", "initial_weights")
def cost(subject: Subject) -> Iterator[Finding]:
    """An estimate of time and memory, from steps and detections in this process."""
    steps = first_steps(subject)
    if steps.problem:
        return
    train, images = subject.cfg.train, len(subject.test)
    seconds = train.max_iter * steps.step_seconds + evaluations(train) * images * steps.image_seconds
    message = (
        f"this training takes about {_duration(seconds)} here and {steps.memory_mb / 1024:.2g} GB: {train.max_iter} "
        f"steps of {steps.step_seconds:.3g} s, and {evaluations(train)} evaluations of {images} images of "
        f"{steps.image_seconds:.3g} s each"
    )
    fix = "train.max_iter=... or train.max_minutes=... for less"
    yield Finding("hint", "cost-estimate", message, "train.max_iter", fix)


def expected_start(subject: Subject, steps: FirstSteps) -> float | None:
    """`loss_cls` of the first batch if every anchor had the logits of the prior; None if it cannot be computed.

    It is the mean loss of an anchor times the number of anchors, over the loss normalizer. That number is the number of
    foreground anchors over (num_classes * foreground share).
    """
    loss, num_classes = subject.model.cls_loss, subject.model.num_classes
    share, prob = foreground_share(subject), setting(subject.cfg, PRIOR, 0.01)
    prob = stationary_score(subject) if prob == STATIONARY else prob
    if share is None or prob is None or loss.couples_anchors:
        return None
    positives = steps.num_pos_anchors * batch_size(subject.cfg)
    normalizer = _MOMENTUM * _FIRST_NORMALIZER + (1 - _MOMENTUM) * max(positives, 1)
    try:
        of_anchor = expected_loss(loss, loss.prior_bias(num_classes, prob).double(), num_classes, share)
    except ValueError:
        return None
    return subject.model.cls_loss_weight * of_anchor * positives / (num_classes * share) / normalizer


def evaluations(train: DictConfig) -> int:
    """How often a training is evaluated: after every `eval_period` iterations, and at its end."""
    return 1 + ((train.max_iter - 1) // train.eval_period if train.eval_period > 0 else 0)


def _duration(seconds: float) -> str:
    minutes = seconds / 60
    if minutes < 1:
        return f"{seconds:.0f} seconds"
    return f"{minutes:.1f} minutes" if minutes < 90 else f"{math.ceil(minutes / 6) / 10:g} hours"
