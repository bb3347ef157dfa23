"""Checks of a training before it begins: its settings, and how they fit its data and this machine."""

from ..finding import Check
from . import anchors, cost, evaluation, ignored, learning_rate, pixels, prior, sizes, updates, wiring

QUICK_CHECKS: tuple[Check, ...] = (
    learning_rate.learning_rate,
    learning_rate.warmup,
    learning_rate.schedule,
    ignored.unread,
    ignored.unread_losses,
    pixels.units,
    pixels.mapper_format,
    pixels.of_weights,
    pixels.frozen_without_weights,
    evaluation.thresholds,
    evaluation.candidates,
    evaluation.evaluations,
    updates.clipping,
    updates.average,
    updates.machine,
)
"""The checks that read only the config; they take milliseconds."""

CHECKS: tuple[Check, ...] = (
    *QUICK_CHECKS,
    wiring.builds,
    wiring.usable,
    wiring.taken,
    learning_rate.epochs,
    anchors.real_strides,
    anchors.coverage,
    anchors.without_low_quality,
    anchors.levels,
    sizes.small_objects,
    sizes.resize,
    prior.prior,
    prior.focus_and_weight,
    evaluation.detections_per_image,
    updates.frozen,
    updates.batch_norm,
    cost.start,
    cost.cost,
)
"""All checks. They build the detector, read annotations and some images, and take a few training steps."""
