"""Registries that Detectron2 lacks. Backbones, anchor generators and detectors are in Detectron2's own registries.

A registered class is built by `cls(**cls.from_config(cfg))` from a yacs config, and by keywords from a LazyCall.
"""

from detectron2.utils.registry import Registry

CLS_LOSS_REGISTRY = Registry("CLS_LOSS")
CLS_LOSS_REGISTRY.__doc__ = "Classification losses of dense detectors; see `modeling.losses.ClassificationLoss`."

BOX_LOSS_REGISTRY = Registry("BOX_LOSS")
BOX_LOSS_REGISTRY.__doc__ = "Box regression losses on foreground anchors; see `modeling.losses.BoxLoss`."
