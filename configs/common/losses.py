# Named losses to choose from: model.cls_loss="${losses.softmax_ce}" model.box_loss="${box_losses.giou}"
from detectron2.config import LazyCall as L

from retina_plugin.modeling.losses import (
    CIoULoss,
    DIoULoss,
    GIoULoss,
    SigmoidCrossEntropyLoss,
    SigmoidFocalLoss,
    SmoothL1Loss,
    SoftmaxCrossEntropyLoss,
)

losses = dict(
    focal=L(SigmoidFocalLoss)(alpha=0.25, gamma=2.0),  # the paper's best, table 1b
    sigmoid_ce=L(SigmoidCrossEntropyLoss)(alpha=None),
    balanced_ce=L(SigmoidCrossEntropyLoss)(alpha=0.75),  # the paper's best of table 1a
    softmax_ce=L(SoftmaxCrossEntropyLoss)(),
)

box_losses = dict(
    l1=L(SmoothL1Loss)(beta=0.0),  # Detectron2's configs
    smooth_l1=L(SmoothL1Loss)(beta=0.11),  # Detectron's
    giou=L(GIoULoss)(),
    diou=L(DIoULoss)(),
    ciou=L(CIoULoss)(),
)
