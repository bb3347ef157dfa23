"""The learning rate, its warm-up and its schedule."""

from collections.abc import Iterator

import numpy as np
from detectron2.config import instantiate
from omegaconf import DictConfig

from ....config.learning_rate import linear_scaled_lr
from ..finding import Finding
from ..subject import Subject
from .settings import batch_size, class_of, setting
from .wiring import needs

_ADAM_LR, _MOST_ADAM_LR, _LEAST_ADAM_LR = 1e-3, 3e-3, 1e-6
_TOLERANCE, _MUCH_LESS = 2.0, 50.0  # factors above and below the usual rate of SGD
_SOURCE = "linear scaling, Goyal et al. 2017, from .01 for 16 images in Detectron2's RetinaNet configs"
_POINTS = 1000


def learning_rate(subject: Subject) -> Iterator[Finding]:
    """A learning rate that does not fit batch and optimizer: detectron2#550, #508, #214, retinanet-examples#8."""
    cfg, lr = subject.cfg, setting(subject.cfg, "optimizer.lr")
    kind, batch = class_of(cfg, "optimizer"), batch_size(cfg)
    if not isinstance(lr, float | int) or kind not in ("SGD", "Adam", "AdamW"):
        return
    if kind == "SGD":
        usual = linear_scaled_lr(batch)
        low, high, why = usual / _MUCH_LESS, usual * _TOLERANCE, _SOURCE
    else:
        usual, low, high, why = _ADAM_LR, _LEAST_ADAM_LR, _MOST_ADAM_LR, f"usual for {kind}, as in configs/common"
    if low <= lr <= high:
        return
    above, code = lr > high, "lr-high" if lr > high else "lr-low"
    ratio = lr / usual if above else usual / lr
    message = (
        f"optimizer.lr={lr:g} of {kind} is {ratio:.3g} times {'the' if above else 'less than the'} {usual:g} for "
        f"{batch} images per update ({why})"
    )
    yield Finding("warning" if above else "hint", code, message, "optimizer.lr", f"optimizer.lr={usual:g}")


def warmup(subject: Subject) -> Iterator[Finding]:
    """SGD that begins at its full learning rate, or a warm-up over most of the training: Goyal et al., section 2.2."""
    cfg, lr = subject.cfg, setting(subject.cfg, "optimizer.lr")
    multipliers = _multipliers(cfg)
    if class_of(cfg, "optimizer") == "SGD" and lr:
        first, high = float(lr) * multipliers[0], linear_scaled_lr(batch_size(cfg)) / 2
        if first >= high:
            message = (
                f"SGD begins without warm-up at the learning rate {first:g}, of {lr * multipliers.max():g} at most"
            )
            fix = "lr_multiplier='${lr_multiplier_1x}' of configs/common/schedule.py, or another WarmupParamScheduler"
            yield Finding("warning", "no-warmup", message, "lr_multiplier", fix)
    if (peak := multipliers.argmax() / _POINTS) > 0.5:
        message = f"the learning rate is highest only after {peak:.0%} of the training"
        yield Finding("warning", "warmup-long", message, "lr_multiplier", "lr_multiplier.warmup_length=0.1")


def schedule(subject: Subject) -> Iterator[Finding]:
    """A learning rate that is negative, never falls, or falls too early, as with milestones of a shorter training."""
    multipliers = _multipliers(subject.cfg)
    place, iterations = "lr_multiplier", setting(subject.cfg, "train.max_iter", 0)
    wrong = ~(np.isfinite(multipliers) & (multipliers >= 0))
    if wrong.any():
        first = wrong.argmax() / _POINTS * iterations
        message = f"the learning rate is negative or not finite from iteration {first:.0f} on"
        fix = "lr_multiplier.warmup_factor and all values of lr_multiplier.scheduler must be finite, and 0 or more"
        yield Finding("error", "lr-negative", message, place, fix)
        return
    after = multipliers[multipliers.argmax() :]
    if after.min() > 0.5 * after[0]:
        message = (
            f"the learning rate ends at {after[-1] / after[0]:.0%} of its highest value after {iterations} iterations"
        )
        fix = "let the last milestone lie before the end, or use lr_multiplier_cosine of configs/common/schedule.py"
        yield Finding("hint", "lr-never-falls", message, place, fix)
    late = np.flatnonzero(multipliers > 0.1 * multipliers.max())[-1] / _POINTS
    if late < 0.25:
        message = (
            f"the learning rate is below a tenth of its highest value from iteration {late * iterations:.0f} of "
            f"{iterations} on: all milestones lie in the first {late:.0%}"
        )
        fix = "count milestones in the unit of num_updates, and let the last one be the length of the training"
        yield Finding("warning", "lr-falls-early", message, place, fix)


@needs("train")
def epochs(subject: Subject) -> Iterator[Finding]:
    """A training of very few or very many passes over the data: the schedule of another data set."""
    images, batch = len(subject.train), batch_size(subject.cfg)
    passes = setting(subject.cfg, "train.max_iter", 0) * batch / max(images, 1)
    what = f"train.max_iter={subject.cfg.train.max_iter} with {batch} images per update sees each of {images} images"
    if passes < 2:
        fix = f"train.max_iter={round(12 * images / batch)} for 12 passes, as Detectron2's 1x schedule on COCO"
        yield Finding("hint", "few-epochs", f"{what} {passes:.2g} times", "train.max_iter", fix)
    if passes > 500:
        fix = "set train.eval_period, and train.early_stopping=5 to stop when the metric no longer improves"
        yield Finding("hint", "many-epochs", f"{what} {passes:.0f} times", "train.max_iter", fix)


def _multipliers(cfg: DictConfig) -> np.ndarray:
    """(1000,) factors of the learning rate over the training."""
    multiplier = instantiate(cfg.lr_multiplier)
    return np.array([multiplier(i / _POINTS) for i in range(_POINTS)])
