"""The prior that `model.head.prior_prob="stationary"` asks for: the loss's best constant score on the training data."""

import numpy as np
from detectron2.config import instantiate
from detectron2.utils import comm
from detectron2.utils.env import seed_all_rng
from omegaconf import DictConfig, OmegaConf

from ..config import ConfigError
from ..data import DataError
from ..modeling.losses import STATIONARY, stationary_prob
from ..modeling.meta_arch import ForegroundCounter, PluggableRetinaNet
from .layout import share_padded_size
from .setup import PRIOR, build_model, building

_MOST_IMAGES, _MOST_ANCHORS = 128, 10_000_000  # limits for counting labels, which then takes seconds on a CPU
_OF_WORKERS = ("num_workers", "prefetch_factor", "persistent_workers", "multiprocessing_context")


def resolve_prior(cfg: DictConfig) -> str:
    """Replace `model.head.prior_prob="stationary"` in the config by a number; returns a sentence for the log.

    The sentence is empty if the config already holds a number. Every process of a training must call this, and all
    processes get the same number.

    Raises:
        ConfigError, ValueError: if the model or its loss has no stationary score.
        DataError: as `measure_foreground_share`.
    """
    if OmegaConf.select(cfg, PRIOR) != STATIONARY:
        return ""
    return set_stationary_prior(cfg, measure_foreground_share(cfg))


def set_stationary_prior(cfg: DictConfig, foreground_share: float) -> str:
    """Set `model.head.prior_prob` to the loss's stationary score for a foreground share; returns a log sentence."""
    with building(cfg, "model.head"):
        loss = instantiate(cfg.model.head.cls_loss)
        prob = stationary_prob(loss, instantiate(cfg.model.num_classes), foreground_share)
    cfg.model.head.prior_prob = float(f"{prob:.6g}")
    return (
        f"{PRIOR}={STATIONARY} is {cfg.model.head.prior_prob:g}: {foreground_share:.3g} of the logits are foreground, "
        f"and a constant score minimises {type(loss).__name__} there"
    )


def measure_foreground_share(cfg: DictConfig) -> float:
    """The share of foreground among all (anchor, class) logits of the first training batches, ignored anchors left out.

    Batches are labelled, without running the network, until they hold 128 images or 10 million anchors. The share
    depends only on the config and `train.seed`, not on the number of processes.

    Raises:
        ConfigError: if the model is not a PluggableRetinaNet or cannot be built.
        DataError: if no anchor is foreground, or the data cannot be read.
    """
    cfg = cfg.copy()
    for key in _OF_WORKERS:
        cfg.dataloader.train.pop(key, None)
    model = build_model(cfg, pretrained=False)
    if not isinstance(model, PluggableRetinaNet):
        raise ConfigError(f"{PRIOR}={STATIONARY} needs a PluggableRetinaNet, got {type(model).__name__}")
    with building(cfg, "dataloader"):
        seed_all_rng(cfg.train.seed)  # for samplers that take no seed
        loader = instantiate(cfg.dataloader.train)
    counter, counts = ForegroundCounter(model), np.zeros(3)
    for batch in loader:
        if comm.get_world_size() > 1:
            share_padded_size(batch)
        with building(cfg, "backbone or anchors"):
            counted = counter(batch)
        counts += np.sum(comm.all_gather((*counted, len(batch))), axis=0)
        foreground, total, images = counts.tolist()
        if images >= _MOST_IMAGES or total >= model.num_classes * _MOST_ANCHORS:
            break
    if not foreground:
        raise DataError(
            f"{PRIOR}={STATIONARY} needs foreground, but no anchor of the first {images:.0f} training images is "
            f"assigned to an object: check annotations and model.anchor_generator, or set {PRIOR} to a number"
        )
    return foreground / total
