"""The loss arguments of Detectron2's RetinaNet, which PluggableRetinaNet accepts too."""

from .. import losses
from ..losses.alpha import check_kind
from ..losses.box import UPSTREAM_BOX_LOSSES

UPSTREAM_LOSS_ARGUMENTS = ("focal_loss_alpha", "focal_loss_gamma", "smooth_l1_beta", "box_reg_loss_type", "vis_period")


def choose_cls_loss(
    cls_loss: losses.ClassificationLoss | None, alpha: float | None, gamma: float | None
) -> losses.ClassificationLoss:
    """`cls_loss`, or focal loss with Detectron2's `alpha` and `gamma`.

    Raises:
        ValueError: if both are given, or `cls_loss` is something else.
    """
    if cls_loss is None:
        alpha = 0.25 if alpha is None else alpha
        # a negative alpha means "no weights" in fvcore
        return losses.SigmoidFocalLoss(None if alpha < 0 else alpha, 2.0 if gamma is None else gamma)
    check_kind("model.cls_loss", cls_loss, losses.ClassificationLoss)
    _refuse("cls_loss", cls_loss, focal_loss_alpha=(alpha, "alpha"), focal_loss_gamma=(gamma, "gamma"))
    return cls_loss


def choose_box_loss(box_loss: losses.BoxLoss | None, beta: float | None, loss_type: str | None) -> losses.BoxLoss:
    """`box_loss`, or the loss that `beta` and `loss_type` select in Detectron2.

    Raises:
        ValueError: if both are given, or `box_loss` is something else.
    """
    if box_loss is not None:
        check_kind("model.box_loss", box_loss, losses.BoxLoss)
        _refuse("box_loss", box_loss, smooth_l1_beta=(beta, "beta"), box_reg_loss_type=(loss_type, "_target_"))
        return box_loss
    if loss_type in (None, "smooth_l1"):
        return losses.SmoothL1Loss(0.0 if beta is None else beta)
    if loss_type not in UPSTREAM_BOX_LOSSES:
        raise ValueError(f"model.box_reg_loss_type={loss_type!r} is not one of {[*UPSTREAM_BOX_LOSSES]}")
    return UPSTREAM_BOX_LOSSES[loss_type]()


def _refuse(key: str, loss: object, **replaced: tuple[object, str]) -> None:
    for name, (value, setting) in replaced.items():
        if value is not None:
            raise ValueError(
                f"model.{name}={value} and model.{key}={type(loss).__name__} are both set, but the first one only "
                f"configures Detectron2's fixed loss: delete model.{name} and use model.{key}.{setting} instead"
            )
