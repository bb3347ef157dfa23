"""Online hard example mining: only the anchors with the largest loss train. Shapes as in `base.py`."""

from collections.abc import Sequence

import torch
from detectron2.config import configurable
from torch import Tensor
from torchvision.ops import nms

from ...registry import CLS_LOSS_REGISTRY
from .checks import check_number
from .kernels.closed_form import row_losses
from .sigmoid import SigmoidCrossEntropyLoss
from .targets import DenseTargets


@CLS_LOSS_REGISTRY.register()
class OHEMCrossEntropyLoss(SigmoidCrossEntropyLoss):
    """Sigmoid cross entropy of the `batch_size` anchors of every image that have the largest loss, after NMS.

    NMS with the loss as score drops anchors that overlap one with a larger loss, so that one hard object does not fill
    the selection. With `one_to_three`, at most a quarter of `batch_size` is foreground, and each foreground anchor
    brings three background anchors. Anchors are selected by their loss times `targets.weights`. Without
    `targets.anchors`, all anchors count as one image and NMS is skipped.

    The loss of an anchor therefore depends on its whole image: `elementwise` is zero for anchors that are not selected.
    As the number of boxes that NMS keeps depends on their values, this is the only loss here that waits for the GPU and
    breaks the graph of torch.compile.
    Source: "Training Region-based Object Detectors with Online Hard Example Mining", section 4, on all anchors as in
    "Focal Loss for Dense Object Detection", table 1d.
    """

    couples_anchors = True

    @configurable
    def __init__(
        self,
        batch_size: int = 128,
        nms_thresh: float | None = 0.5,
        one_to_three: bool = False,
        alpha: float | Sequence[float] | None = None,
    ) -> None:
        """Configure the selection of hard examples.

        Args:
            batch_size: the number of anchors that train, per image.
            nms_thresh: IoU above which the anchor with the smaller loss is dropped; None for no NMS.
            one_to_three: whether to keep foreground and background at 1:3.
            alpha: weights as in `SigmoidFocalLoss`.
        """
        super().__init__(alpha=alpha)
        check_number("batch_size", batch_size, "4 or more", lambda x: x >= 4)
        if nms_thresh is not None:
            check_number("nms_thresh", nms_thresh, "in [0, 1] or null", lambda x: 0 <= x <= 1)
        self.batch_size, self.nms_thresh, self.one_to_three = batch_size, nms_thresh, one_to_three

    def extra_repr(self) -> str:
        batch = f"batch_size={self.batch_size}, one_to_three={self.one_to_three}"
        return f"{batch}, nms_thresh={self.nms_thresh}, alpha={self.alpha}"

    def elementwise(self, logits: Tensor, targets: DenseTargets) -> Tensor:
        """Cross entropy (M, K), zero for anchors that are not selected."""
        selected = torch.zeros_like(targets.labels, dtype=logits.dtype)
        selected[self.select(logits, targets)] = 1
        return selected[:, None] * super().elementwise(logits, targets)

    def weighted_sum(self, logits: Tensor, targets: DenseTargets) -> Tensor:
        """Sum over the selected anchors, a scalar."""
        selected = self.select(logits, targets)
        weights = None if targets.weights is None else targets.weights[selected]
        hard = DenseTargets(targets.labels[selected], weights)
        return super().weighted_sum(logits[selected], hard)

    @torch.no_grad()
    def select(self, logits: Tensor, targets: DenseTargets) -> Tensor:
        """Indices of the selected anchors, image by image.

        Within an image they are in order of decreasing loss; with `one_to_three` foreground comes first.
        """
        labels, anchors = targets.labels, targets.anchors
        losses = row_losses(logits, labels, self.row_loss, False, targets.weights)[0]
        losses = losses.masked_fill(labels < 0, -1)
        size = len(labels) if anchors is None else len(anchors)
        foreground = (labels >= 0) & (labels < logits.shape[1])
        selected = [labels.new_empty(0, dtype=torch.long)]
        for start in range(0, len(labels), max(1, size)):
            image = slice(start, start + size)
            selected.append(start + self._select_from_image(losses[image], foreground[image], anchors))
        return torch.cat(selected)

    def _select_from_image(self, losses: Tensor, foreground: Tensor, anchors: Tensor | None) -> Tensor:
        """Run NMS on more and more of the hardest anchors until enough are kept.

        This is exact, because whether NMS keeps an anchor depends on harder anchors only.
        """
        count = 4 * self.batch_size
        while True:
            hardest = losses.topk(min(count, len(losses))).indices
            hardest = hardest[~(losses[hardest] < 0)]  # keeps NaN, which then shows in the loss
            kept = hardest
            if anchors is not None and self.nms_thresh is not None:
                kept = hardest[nms(anchors[hardest].to(losses), losses[hardest], self.nms_thresh)]
            is_last = len(hardest) < count
            has_all_foreground = is_last or bool(foreground[hardest].sum() == foreground.sum())
            selected = self._first_of(kept, foreground[kept], is_last, has_all_foreground)
            if selected is not None:
                return selected
            count *= 4

    def _first_of(self, kept: Tensor, foreground: Tensor, is_last: bool, has_all_foreground: bool) -> Tensor | None:
        """The selection from `kept`, the indices after NMS in order of decreasing loss; None if it needs more anchors.

        `foreground` marks foreground in `kept`. `is_last` and `has_all_foreground` say whether NMS has seen all anchors
        and all foreground anchors.
        """
        if not self.one_to_three:
            return kept[: self.batch_size] if is_last or len(kept) >= self.batch_size else None
        quarter = self.batch_size // 4
        positives, negatives = kept[foreground][:quarter], kept[~foreground]
        num_negatives = 3 * max(1, len(positives))
        has_positives = has_all_foreground or len(positives) == quarter
        if is_last or (has_positives and len(negatives) >= num_negatives):
            return torch.cat([positives, negatives[:num_negatives]])
        return None
