"""Input of the loss benchmark: logits and targets of a training step, and Detectron2's loss for comparison."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from fvcore.nn import sigmoid_focal_loss_jit
from torch import Tensor
from torch.nn import functional as F

from ...analysis.named_losses import named_losses
from ...modeling.losses import ClassificationLoss, DenseTargets

DETECTRON2 = "detectron2"


@dataclass(frozen=True)
class Problem:
    """The size of a training step; `anchors` is per image. The default is COCO at 800 pixels."""

    images: int = 2
    anchors: int = 190_000
    classes: int = 80
    device: str = "cpu"

    def logits(self, num_logits: int) -> Tensor:
        """Logits (M, C) of M anchors at the start of training, with the prior 0.01 (mean -4.6)."""
        return torch.empty(self.images * self.anchors, num_logits, device=self.device).normal_(-4.6).requires_grad_()

    def labels(self) -> Tensor:
        """Labels (M,): per image 20 places of foreground and 200 ignored places (-1) with 9 anchors each; the rest is
        background (`classes`)."""
        labels = torch.full((self.images, self.anchors // 9, 9), self.classes)
        for image in labels:
            place = torch.randperm(len(image))
            image[place[:20]] = torch.randint(self.classes, (min(20, len(image)), 1))
            image[place[20:220]] = -1
        rest = torch.full((self.images, self.anchors % 9), self.classes)
        return torch.cat([labels.flatten(1), rest], dim=1).flatten()

    def targets(self) -> DenseTargets:
        """Labels (M,), and the anchors (R, 4) of one image, of 32 to 813 pixels at random places."""
        labels = self.labels()
        size = 32 * 25.4 ** torch.rand(self.anchors, 1)
        center = torch.rand(self.anchors, 2) * torch.tensor([1333.0, 800.0])
        anchors = torch.cat([center - size / 2, center + size / 2], dim=1)
        return DenseTargets(labels.to(self.device), anchors=anchors.to(self.device))


class StockFocalLoss(ClassificationLoss):
    """Masking, one-hot targets and fvcore's focal loss, as in `RetinaNet.losses` of Detectron2."""

    def forward(self, logits: Tensor, labels: Tensor) -> Tensor:
        """The summed focal loss, a scalar, of (M, K) logits; labels (M,) are classes, K for background, -1 ignored."""
        valid_mask = labels >= 0
        targets = F.one_hot(labels[valid_mask], logits.shape[1] + 1)[:, :-1].to(logits.dtype)
        return sigmoid_focal_loss_jit(logits[valid_mask], targets, alpha=0.25, gamma=2.0, reduction="sum")


def get_loss(name: str) -> ClassificationLoss:
    """The loss `name` of configs/common/losses.py, or Detectron2's loss for "detectron2"."""
    return StockFocalLoss() if name == DETECTRON2 else named_losses([name])[name]


def make_step(loss: ClassificationLoss, problem: Problem, targets: DenseTargets) -> Callable[[], Tensor]:
    """A function that runs forward and backward, and returns the gradient of the loss by the logits, (M, C)."""
    logits = problem.logits(loss.num_logits(problem.classes))
    return lambda: torch.autograd.grad(loss.dense_loss(logits, targets), logits)[0]
