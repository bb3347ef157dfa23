"""How a training went, from its losses and metrics."""

from collections.abc import Iterator

import numpy as np

from ....run_folder import CLIPPED, CONFIG, METRICS
from ...pasting import word
from ..finding import Finding
from .record import LOSS, Record

_GROWN = 10.0  # times its lowest value: a loss that diverged
_FLAT = 0.9  # of its first value: a loss that hardly fell
_RISEN = 1.1  # times its lowest value: a loss of the test data that rose
_LESS = 0.95  # of the best AP: an AP that fell
_STILL = 0.1  # of the last AP: a gain since the evaluation before that shows that AP still rises
_EARLY = 0.7  # of the training: a best value before is long ago
_MOST_CLIPPED = 0.9  # of the updates
_GOOD = 10.0  # AP in percent
_SHORTER = "use model_best.pth; train.early_stopping=5, more augmentation or a larger optimizer.weight_decay"
_FEW = 4  # lines of metrics.json, to judge a course


def not_finite(record: Record) -> Iterator[Finding]:
    """Losses or gradients that are not finite: Detectron#81, detectron2#550, #508, #214."""
    dumps = sorted((record.folder / "nonfinite").glob("*.pth"))
    iterations, values = record.series(LOSS)
    bad = iterations[~np.isfinite(values)]
    if not dumps and not len(bad):
        return
    first = dumps[0].stem if dumps else f"iteration {bad[0]:.0f} of {METRICS}"
    message = f"{len(dumps) or len(bad)} updates were not finite, the first one at {first}"
    fix = _lower_lr(record)
    if dumps:
        fix = f"retina replay {word(dumps[0])} shows the layer and image; {fix}"
    place = str(dumps[0] if dumps else record.folder / METRICS)
    yield Finding("error", "not-finite", message, place, fix)


def diverged(record: Record) -> Iterator[Finding]:
    """A loss that grew while it was finite: retinanet-examples#8, Detectron#72."""
    iterations, values = record.finite(LOSS)
    if len(values) >= 2 and (end := np.median(values[-3:])) > _GROWN * max(values[: len(values) // 2 + 1].min(), 1e-6):
        least = values.argmin()
        message = f"the loss grew from {values[least]:.3g} at iteration {iterations[least]:.0f} to {end:.3g}"
        yield Finding("error", "diverged", message, "optimizer.lr", _lower_lr(record))


def flat(record: Record) -> Iterator[Finding]:
    """A loss that hardly falls from the first lines on, with a bad AP: pytorch-retinanet#40."""
    (_, values), (_, aps) = record.finite(LOSS), record.ap
    if len(values) < _FEW or not len(aps) or aps.max() > _GOOD:
        return
    first, last = np.median(values[:3]), np.median(values[-max(len(values) // 4, 1) :])
    if _FLAT * first < last <= _GROWN * first:
        message = (
            f"the loss stays where it began: {first:.3g} in its first lines, {last:.3g} in the last quarter of the "
            f"training, with an AP of {aps.max():.1f} at best"
        )
        fix = f"examine the config (retina doctor --config-file {word(record.folder / CONFIG)}), "
        fix += f"then train.freeze=[] or optimizer.lr={3 * record.cfg.optimizer.lr:g}"
        yield Finding("warning", "loss-flat", message, "optimizer.lr", fix)


def overfitted(record: Record) -> Iterator[Finding]:
    """A validation loss that rises, or an AP that falls, while the training loss falls: detectron2#810, #3180.

    The classification loss can also rise while AP rises, because scores become overconfident: Guo et al. 2017, On
    Calibration of Modern Neural Networks, section 3.
    """
    _, train = record.finite(LOSS)
    if len(train) < _FEW or train[-1] > np.median(train):
        return
    times, aps = record.ap
    is_old = len(aps) > 0 and times[aps.argmax()] < _EARLY * times[-1]
    iterations, values = record.finite("validation/loss_cls")
    if (
        len(values) >= 3
        and values[-1] > _RISEN * values.min()
        and iterations[values.argmin()] < _EARLY * iterations[-1]
    ):
        message = (
            f"the classification loss of the test data rose from {values.min():.3g} at iteration "
            f"{iterations[values.argmin()]:.0f} to {values[-1]:.3g}, while the training loss fell to {train[-1]:.3g}"
        )
        if len(aps) > 1 and not is_old:
            message += f" and AP rose to {aps.max():.1f}: scores become surer, detections no worse"
            fix = "nothing for AP; before you read scores as probabilities, see calibration in retina analyze-errors"
            yield Finding("hint", "over-confident", message, "train.max_iter", fix)
        else:
            yield Finding("warning", "overfitting", message, "train.max_iter", _SHORTER)
    elif len(aps) >= 3 and is_old and aps[-1] < _LESS * aps.max():
        best = f"at iteration {times[aps.argmax()]:.0f} with {aps.max():.1f}"
        message = f"AP was best {best}, and {aps[-1]:.1f} at the end"
        yield Finding("warning", "best-long-ago", message, "train.max_iter", _SHORTER)


def improving(record: Record) -> Iterator[Finding]:
    """An AP that still rises when the training ends: detectron2#2098, #1748."""
    iterations, values = record.ap
    if len(values) >= 3 and values[-1] == values.max() > 0 and values[-1] - values[-2] > _STILL * values[-1]:
        last = iterations[-1] - iterations[-2]
        message = f"AP rose from {values[-2]:.1f} to {values[-1]:.1f} in the last {last:.0f} iterations"
        yield Finding("hint", "still-improving", message, "train.max_iter", f"train.max_iter={2 * record.max_iter}")


def clipped(record: Record) -> Iterator[Finding]:
    """Gradients that nearly all exceed `train.clip_grad_norm`."""
    _, counts = record.series(CLIPPED)
    share = counts[-1] / record.iterations if len(counts) and record.iterations else 0.0
    if share > _MOST_CLIPPED:
        _, norms = record.finite("grad_norm")
        typical = np.median(norms) if len(norms) else 0.0
        key, limit = "train.clip_grad_norm", record.cfg.train.clip_grad_norm
        message = (
            f"{share:.0%} of {record.iterations} updates were clipped to {limit:g}; the median norm is {typical:.3g}"
        )
        yield Finding(
            "warning", "always-clipped", message, key, f"{key}={2 * max(typical, 1):.2g}, or a lower optimizer.lr"
        )


def _lower_lr(record: Record) -> str:
    clip = record.cfg.train.clip_grad_norm
    return f"optimizer.lr={record.cfg.optimizer.lr / 10:g}" + (" train.clip_grad_norm=10" if clip is None else "")
