"""The contribution of each anchor to a classification loss and to its gradient."""

from collections.abc import Iterator

import torch
from torch import Tensor

from .base import ClassificationLoss
from .targets import DenseTargets

_CPU_CHUNK = 1 << 18  # logits; what autograd keeps for this number of logits fits the cache
_GPU_CHUNK = 1 << 24


def anchor_sums(loss: ClassificationLoss, logits: Tensor, targets: DenseTargets) -> tuple[Tensor, Tensor]:
    """Loss (M,) of every anchor, and L1 norm (M,) of the gradient of the summed loss with respect to its logits.

    `logits` are (M, C). Both results are sums over the C logits of `loss_and_gradient`, weighted as in `dense_loss`,
    zero for ignored anchors, in float32 or better. A loss that couples anchors is computed for all of them at once,
    which takes several times the memory of the logits; any other loss is computed in parts.

    Raises:
        ValueError: as in `dense_loss`.
        NotImplementedError: if the loss does not define `elementwise`.
    """
    parts = [slice(None)] if loss.couples_anchors else list(_parts(logits, targets))
    found = [_sums(loss, logits[rows], targets if loss.couples_anchors else _part(targets, rows)) for rows in parts]
    value, slope = (torch.cat(x) for x in zip(*found, strict=True)) if found else logits.new_zeros(2, 0)
    return value, slope


def _sums(loss: ClassificationLoss, logits: Tensor, targets: DenseTargets) -> tuple[Tensor, Tensor]:
    value, gradient = loss.loss_and_gradient(logits, targets)
    return value.sum(1), gradient.abs_().sum(1)


def _parts(logits: Tensor, targets: DenseTargets) -> Iterator[slice]:
    """Slices of rows; no slice contains rows of two images."""
    chunk = _CPU_CHUNK if logits.device.type == "cpu" else _GPU_CHUNK
    rows = max(1, chunk // max(1, logits.shape[1]))
    image = len(logits) if targets.anchors is None else len(targets.anchors)
    for first in range(0, len(logits), max(1, image)):
        end = first + image
        yield from (slice(start, min(start + rows, end)) for start in range(first, end, rows))


def _part(targets: DenseTargets, rows: slice) -> DenseTargets:
    anchors = targets.anchors
    if anchors is not None:
        start = rows.start % len(anchors)
        anchors = anchors[start : start + rows.stop - rows.start]
    weights, quality = (None if x is None else x[rows] for x in (targets.weights, targets.quality))
    return DenseTargets(targets.labels[rows], weights, quality, anchors)
