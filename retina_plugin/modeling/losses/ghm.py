"""Gradient harmonizing: frequent gradient norms weigh less. Shapes as in `base.py`, x_t as in `one_vs_all.py`."""

from functools import partial

import torch
from detectron2.config import configurable
from torch import Tensor
from torch.nn.functional import logsigmoid

from ...registry import CLS_LOSS_REGISTRY
from .alpha import check_number
from .base import ClassificationLoss
from .kernels.binary_losses import cross_entropy_parts
from .kernels.chunks import for_each_chunk
from .kernels.closed_form import fill_rows, summed_loss
from .kernels.row_formulas import one_vs_all
from .one_vs_all import signed_logits
from .targets import DenseTargets


@CLS_LOSS_REGISTRY.register()
class GHMCLoss(ClassificationLoss):
    """Sum of CE(p_t) / GD(1 - p_t), where GD is the density of the gradient norms 1 - p_t in recent batches.

    The density is a histogram of `bins` regions over the logits of the anchors that are not ignored, as a moving
    average over batches with `momentum`, corrected for its start at 0. `targets.weights` multiply the loss, not the
    density. The paper's loss is a mean over logits. Here it is multiplied by the number of foreground anchors, at least
    1, because the detector divides the loss by a moving average of this number.

    In training mode, `forward` and `dense_loss` update the average; `elementwise` uses the same average and does not
    update it. With accumulation or several processes, one call gets only a part of the batch, so the update depends on
    how the batch is split. Each process has its own average. Evaluation copies the average of the main process to all
    processes, unless `train.ema_decay` makes it use another copy of the detector.
    Source: "Gradient Harmonized Single-stage Detector", equations 8 to 10.
    """

    couples_anchors = True

    @configurable
    def __init__(self, bins: int = 30, momentum: float = 0.75) -> None:
        """Set the number of regions, 1 or more, and the weight of earlier batches, in [0, 1)."""
        super().__init__()
        check_number("bins", bins, "1 or more", lambda x: x >= 1)
        check_number("momentum", momentum, "in [0, 1)", lambda x: 0 <= x < 1)
        self.bins, self.momentum = bins, momentum
        self.register_buffer("counts", torch.zeros(bins, dtype=torch.float64))
        self.register_buffer("mass", torch.zeros((), dtype=torch.float64))

    def extra_repr(self) -> str:
        return f"bins={self.bins}, momentum={self.momentum}"

    def elementwise(self, logits: Tensor, targets: DenseTargets) -> Tensor:
        """Weighted cross entropy (M, K); the average includes this batch, but is not updated."""
        x_t = signed_logits(logits, targets.labels)
        region = region_of(torch.sigmoid(-x_t.detach()), self.bins)
        batch = torch.bincount(region[targets.labels >= 0].flatten(), minlength=self.bins)
        counts, mass = self._averages(batch)
        return -self._weights(counts / mass, logits, targets.labels)[region] * logsigmoid(x_t)

    def weighted_sum(self, logits: Tensor, targets: DenseTargets) -> Tensor:
        """The loss, a scalar; in training mode the average is updated first."""
        counts, mass = self._averages(error_histogram(logits, targets.labels, self.bins))
        if self.training:
            self.counts.copy_(counts)
            self.mass.copy_(mass)
        weights = self._weights(counts / mass, logits, targets.labels)
        kernel = partial(harmonized, weights=weights)
        row_loss = partial(one_vs_all, negative=kernel, positive=kernel, alpha=None)
        return summed_loss(logits, targets.labels, row_loss, targets.weights)

    def _averages(self, counts: Tensor) -> tuple[Tensor, Tensor]:
        """Moving average of the counts (bins,) from a start at 0, and the sum of its coefficients, with this batch."""
        earlier, mass = self.counts.to(counts.device), self.mass.to(counts.device)
        mass = torch.lerp(torch.ones_like(mass), mass, self.momentum)
        return torch.lerp(counts.double(), earlier, self.momentum), mass

    def _weights(self, counts: Tensor, logits: Tensor, labels: Tensor) -> Tensor:
        """The weight (bins,) of every region: number of foreground anchors / gradient density."""
        num_pos = ((labels >= 0) & (labels < logits.shape[1])).sum().clamp(min=1)
        weights = torch.where(counts > 0, num_pos / (counts * self.bins), 0.0)
        return weights.to(torch.promote_types(logits.dtype, torch.float32))


def region_of(error: Tensor, bins: int) -> Tensor:
    """Index of the region of each error in [0, 1], out of `bins` regions of equal width: integers like `error`."""
    return error.mul(bins).int().clamp_(0, bins - 1)  # int() of NaN is negative


def harmonized(u: Tensor, with_slope: bool, weights: Tensor) -> tuple[Tensor, Tensor | None]:
    """The binary loss softplus(u), times the constant weight of the region of its error; `weights` are (bins,)."""
    s, _, ce = cross_entropy_parts(u)
    weight = weights.index_select(0, region_of(s, len(weights)).flatten()).view(s.shape)
    return ce.mul_(weight), s.mul_(weight) if with_slope else None


@torch.no_grad()
def error_histogram(logits: Tensor, labels: Tensor, bins: int) -> Tensor:
    """Number (bins,) of logits (M, K) whose error 1 - p_t lies in each region, without ignored anchors."""
    parts = [torch.zeros(bins + 1, dtype=torch.int32, device=logits.device)]

    def work(chunk: slice) -> None:
        rows = labels[chunk, None]
        error = logits[chunk].to(torch.promote_types(logits.dtype, torch.float32)).sigmoid()
        index = rows.clamp(0, logits.shape[1] - 1).long()
        own = error.gather(1, index)
        error.scatter_(1, index, torch.where((rows >= 0) & (rows < logits.shape[1]), 1 - own, own))
        region = fill_rows(region_of(error, bins), labels[chunk] < 0, bins)  # an additional region for ignored anchors
        parts.append(torch.zeros_like(parts[0]).index_add_(0, region.flatten(), torch.ones_like(region).flatten()))

    for_each_chunk(work, logits)
    return torch.stack(parts).sum(0)[:bins]
