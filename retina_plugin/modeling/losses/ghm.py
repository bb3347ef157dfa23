"""Gradient harmonizing: frequent gradient norms weigh less. Shapes as in `base.py`, x_t as in `one_vs_all.py`."""

from functools import partial

import torch
from detectron2.config import configurable
from torch import Tensor
from torch.nn.functional import logsigmoid

from ...registry import CLS_LOSS_REGISTRY
from .base import ClassificationLoss
from .checks import check_number
from .kernels.closed_form import summed_loss
from .kernels.harmonized import error_histogram, harmonized, region_of
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
