# Named losses to choose from: model.cls_loss="${losses.softmax_ce}" model.box_loss="${box_losses.giou}"
from detectron2.config import LazyCall as L

from retina_plugin.modeling.losses import (
    AsymmetricFocalLoss,
    CIoULoss,
    DIoULoss,
    GHMCLoss,
    GIoULoss,
    OHEMCrossEntropyLoss,
    PolyFocalLoss,
    SigmoidCrossEntropyLoss,
    SigmoidFocalLoss,
    SigmoidFocalStarLoss,
    SigmoidHingeLoss,
    SmoothL1Loss,
    SoftmaxCrossEntropyLoss,
    SoftmaxFocalLoss,
)

losses = dict(
    focal=L(SigmoidFocalLoss)(alpha=0.25, gamma=2.0),  # the best in the paper's table 1b
    sigmoid_ce=L(SigmoidCrossEntropyLoss)(alpha=None),
    balanced_ce=L(SigmoidCrossEntropyLoss)(alpha=0.75),  # the best in table 1a
    softmax_ce=L(SoftmaxCrossEntropyLoss)(),
    softmax_focal=L(SoftmaxFocalLoss)(alpha=0.25, gamma=2.0),
    smoothed_focal=L(SigmoidFocalLoss)(alpha=0.25, gamma=2.0, label_smoothing=0.1),
    # alpha may be a list with one number per class, or L(effective_number_alpha)(class_counts=[...])
    focal_star=L(SigmoidFocalStarLoss)(alpha=0.25, gamma=2.0, beta=1.0),  # table 3
    poly_focal=L(PolyFocalLoss)(alpha=0.25, gamma=2.0, epsilon=-1.0),
    asymmetric_focal=L(AsymmetricFocalLoss)(gamma_pos=0.0, gamma_neg=4.0, margin=0.05),
    ghm=L(GHMCLoss)(bins=30, momentum=0.75),
    ohem=L(OHEMCrossEntropyLoss)(batch_size=128, nms_thresh=0.5),  # the best OHEM of table 1d
    ohem_1_3=L(OHEMCrossEntropyLoss)(batch_size=128, nms_thresh=0.5, one_to_three=True),
    hinge=L(SigmoidHingeLoss)(margin=0.5),  # section 5.1: unstable
)

box_losses = dict(
    l1=L(SmoothL1Loss)(beta=0.0),  # as in Detectron2's configs
    smooth_l1=L(SmoothL1Loss)(beta=0.11),  # as in Detectron
    giou=L(GIoULoss)(),
    diou=L(DIoULoss)(),
    ciou=L(CIoULoss)(),
)
