"""The hooks of a run, from its config."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from detectron2.config import instantiate
from detectron2.engine import HookBase, default_writers, hooks
from detectron2.utils import comm
from omegaconf import DictConfig, OmegaConf
from torch import nn

from ..config import ConfigError
from .checkpoint import RunCheckpointer
from .hooks import BestCheckpointer, VisualizeDetections
from .run_data import run_metadata


def build_hooks(
    cfg: DictConfig,
    model: nn.Module,
    checkpointer: RunCheckpointer,
    test: Callable[[], dict[str, Any]],
) -> list[HookBase | None]:
    """Schedule, checkpoints, evaluation by `test`, the best checkpoint and pictures, in the order they run.

    Raises:
        ConfigError: for a period that is none.
    """
    train = cfg.train
    for key in ("max_iter", "log_period", "checkpointer.period"):
        if OmegaConf.select(train, key) < 1:
            raise ConfigError(f"train.{key} must be 1 or more, got {OmegaConf.select(train, key)}")
    is_main = comm.is_main_process()
    best = RunCheckpointer(model, train.output_dir, tag=False)
    return [
        hooks.IterationTimer(),
        hooks.LRScheduler(scheduler=instantiate(cfg.lr_multiplier)),
        hooks.PeriodicCheckpointer(checkpointer, **train.checkpointer) if is_main else None,
        hooks.EvalHook(train.eval_period, test),
        BestCheckpointer(train.eval_period, best, **train.best_checkpointer) if is_main else None,
        _visualizer(cfg, model) if is_main and train.vis_period else None,
    ]


def build_writer(cfg: DictConfig) -> list[HookBase | None]:
    """Progress with ETA to the log, metrics.json and TensorBoard. It runs last, and opens files in the run folder."""
    if not comm.is_main_process():
        return []
    writers = default_writers(cfg.train.output_dir, cfg.train.max_iter)
    return [hooks.PeriodicWriter(writers, period=cfg.train.log_period)]


def _visualizer(cfg: DictConfig, model: nn.Module) -> VisualizeDetections:
    dataset_dicts = instantiate(cfg.dataloader.test.dataset)[: cfg.train.vis_images]
    mapper = instantiate(cfg.dataloader.test.mapper)
    return VisualizeDetections(
        cfg.train.vis_period, model, dataset_dicts, mapper, run_metadata(cfg)
    )
