"""The registries that Detectron2 lacks. Backbones, anchor generators and detectors go to Detectron2's own."""

from detectron2.utils.registry import Registry

CLS_LOSS_REGISTRY = Registry("CLS_LOSS")
CLS_LOSS_REGISTRY.__doc__ = """
Classification losses of dense detectors, see `modeling.losses.ClassificationLoss`.

The registered class is called with `cls(**cls.from_config(cfg))` for a yacs config, and with keywords from LazyCall.
"""

BOX_LOSS_REGISTRY = Registry("BOX_LOSS")
BOX_LOSS_REGISTRY.__doc__ = """
Box regression losses on foreground anchors, see `modeling.losses.BoxLoss`.

The registered class is called with `cls(**cls.from_config(cfg))` for a yacs config, and with keywords from LazyCall.
"""
