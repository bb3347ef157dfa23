"""Warn about a loss that explodes but stays finite."""

import logging

from detectron2.engine import HookBase
from omegaconf import DictConfig, OmegaConf

logger = logging.getLogger(__name__)
_TIMES, _LEAST = 100.0, 1000.0  # a loss has exploded above both _TIMES times its first value and _LEAST


class DivergenceWarning(HookBase):
    """Warns once when the total loss has exploded. `NonFiniteGuard` handles losses that are not finite.

    Looks only at recorded values, every `train.log_period` iterations, and so never waits for the device.
    """

    def __init__(self, cfg: DictConfig) -> None:
        """The warning names the settings of `cfg` that help, with their values."""
        self._cfg, self._period = cfg, cfg.train.log_period
        self._first: float | None = None
        self._has_warned = False

    def after_step(self) -> None:
        """Compare the loss with the loss of this process's first iteration."""
        is_due = (self.trainer.iter + 1) % self._period == 0 or self._first is None
        if self._has_warned or not is_due or "total_loss" not in self.trainer.storage.histories():
            return
        value = self.trainer.storage.history("total_loss").latest()
        self._first = value if self._first is None else self._first
        if value > max(_TIMES * self._first, _LEAST):
            self._has_warned = True
            logger.warning(
                "The training diverges: the loss is %.3g at iteration %d, and was %.3g at first. "
                "Lower optimizer.lr (now %s), or set train.clip_grad_norm (now %s)",
                value,
                self.trainer.iter,
                self._first,
                OmegaConf.select(self._cfg, "optimizer.lr"),
                self._cfg.train.clip_grad_norm,
            )
