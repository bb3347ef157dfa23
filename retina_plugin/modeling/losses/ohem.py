"""Online hard example mining: only the anchors with the largest loss train. Shapes as in `base.py`."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from detectron2.config import configurable
from torch import Tensor
from torchvision.ops import nms

from ...registry import CLS_LOSS_REGISTRY
from .kernels.functional import row_losses
from .sigmoid import SigmoidCrossEntropyLoss

__all__ = ["OHEMCrossEntropyLoss"]


@CLS_LOSS_REGISTRY.register()
class OHEMCrossEntropyLoss(SigmoidCrossEntropyLoss):
    """Sigmoid cross entropy of the `batch_size` worst anchors of every image, after NMS with the loss as score.

    Anchors that overlap a worse one are left out, so that one hard object does not fill the batch. With
    `one_to_three` a quarter of the batch at most is foreground, and three background anchors come with each.
    A group of rows without anchors, as in a call with logits and labels only, is one image without NMS.

    NMS keeps a number of boxes that depends on their values: the only loss here that waits for the device, and
    that breaks a compiled graph.
    Source: "Training Region-based Object Detectors with Online Hard Example Mining", section 4, on all anchors as in
    "Focal Loss for Dense Object Detection", table 1d.
    """

    wants_anchors = True

    @configurable
    def __init__(
        self,
        batch_size: int = 128,
        nms_thresh: float | None = 0.5,
        one_to_three: bool = False,
        alpha: float | Sequence[float] | None = None,
    ) -> None:
        """Say what the batch of an image is made of.

        Args:
            batch_size: anchors that train, per image.
            nms_thresh: IoU beyond which the lesser loss is left out; None for no NMS.
            one_to_three: whether to hold the ratio of foreground to background at 1:3.
            alpha: weights as in `SigmoidFocalLoss`.

        Raises:
            ValueError: if a number is out of range.
        """
        super().__init__(alpha=alpha)
        if batch_size < 4:
            raise ValueError(f"model.cls_loss.batch_size must be 4 or more, got {batch_size}")
        if nms_thresh is not None and not 0 <= nms_thresh <= 1:
            raise ValueError(
                f"model.cls_loss.nms_thresh must be in [0, 1] or null, got {nms_thresh}"
            )
        self.batch_size, self.nms_thresh, self.one_to_three = batch_size, nms_thresh, one_to_three

    def extra_repr(self) -> str:
        """The settings, for `print(model)`."""
        batch = f"batch_size={self.batch_size}, one_to_three={self.one_to_three}"
        return f"{batch}, nms_thresh={self.nms_thresh}, alpha={self.alpha}"

    def forward(self, logits: Tensor, labels: Tensor, anchors: Tensor | None = None) -> Tensor:
        """The summed loss of the chosen anchors, a scalar.

        Args:
            logits: (N R, K), image after image.
            labels: (N R,).
            anchors: (R, 4), absolute XYXY in pixels; None for one image without NMS.
        """
        chosen = self.choose(logits, labels, anchors)
        return super().forward(logits[chosen], labels[chosen])

    @torch.no_grad()
    def choose(self, logits: Tensor, labels: Tensor, anchors: Tensor | None = None) -> Tensor:
        """Indices of the anchors that train, of all images, worst first within an image. Arguments as in `forward`."""
        losses = row_losses(logits, labels, self.row_loss, with_grad=False)[0]
        losses = losses.masked_fill(labels < 0, -1)
        size = len(labels) if anchors is None else len(anchors)
        foreground = (labels >= 0) & (labels < logits.shape[1])
        chosen = [
            start + self._choose_of_image(losses[image], foreground[image], anchors)
            for start in range(0, len(labels), max(1, size))
            for image in [slice(start, start + size)]
        ]
        return torch.cat([labels.new_empty(0, dtype=torch.long), *chosen])

    def _choose_of_image(
        self, losses: Tensor, foreground: Tensor, anchors: Tensor | None
    ) -> Tensor:
        """Look at more and more of the worst anchors until enough survive: a survivor depends on worse ones only."""
        count = 4 * self.batch_size
        while True:
            worst = losses.topk(min(count, len(losses))).indices
            worst = worst[losses[worst] >= 0]
            kept = worst
            if anchors is not None and self.nms_thresh is not None:
                kept = worst[nms(anchors[worst].float(), losses[worst], self.nms_thresh)]
            is_last = len(worst) < count
            seen_all = is_last or bool(foreground[worst].sum() == foreground.sum())
            chosen = self._batch(kept, foreground[kept], is_last, seen_all)
            if chosen is not None:
                return chosen
            count *= 4

    def _batch(
        self, kept: Tensor, foreground: Tensor, is_last: bool, seen_all: bool
    ) -> Tensor | None:
        """The batch out of `kept`, worst first, or None if looking further may change it.

        Args:
            kept: indices of anchors after NMS.
            foreground: whether each of them is, of the same length.
            is_last: whether no anchor is left to look at.
            seen_all: whether no foreground anchor is left to look at.
        """
        if not self.one_to_three:
            return kept[: self.batch_size] if is_last or len(kept) >= self.batch_size else None
        quarter = self.batch_size // 4
        positives, negatives = kept[foreground][:quarter], kept[~foreground]
        wanted = 3 * max(1, len(positives))
        enough = (seen_all or len(positives) == quarter) and len(negatives) >= wanted
        return torch.cat([positives, negatives[:wanted]]) if is_last or enough else None
