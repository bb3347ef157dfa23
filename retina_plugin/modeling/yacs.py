"""A check shared by all parts that are built from a yacs config."""

from detectron2.config import CfgNode


def require_plugin_keys(cfg: CfgNode) -> None:
    """Raise a ValueError unless a yacs config has the keys of this package, naming the function that adds them."""
    if "CLS_LOSS" not in cfg.MODEL.RETINANET:
        raise ValueError(
            "the config has no MODEL.RETINANET.CLS_LOSS: call retina_plugin.add_retina_plugin_config(cfg) right after "
            "get_cfg(), before merging files"
        )
