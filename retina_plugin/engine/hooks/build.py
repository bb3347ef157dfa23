"""The hooks of a run, from its config."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from detectron2.config import instantiate
from detectron2.engine import HookBase, hooks
from detectron2.utils import comm
from detectron2.utils.events import (
    CommonMetricPrinter,
    EventWriter,
    JSONWriter,
    TensorboardXWriter,
)
from omegaconf import DictConfig, OmegaConf
from torch import nn

from ...config import ConfigError
from ..checkpoint import RunCheckpointer
from ..reliability.signals import Leave, StopSignals
from ..run_data import run_metadata
from ..trackers import build_trackers
from .detectron2_hooks import (
    BestCheckpointer,
    PeriodicCheckpointer,
    PeriodicWriter,
    VisualizeDetections,
)
from .memory_usage import MemoryUsage

__all__ = ["build_hooks", "build_last_hooks", "build_writers", "check_periods"]


def check_periods(cfg: DictConfig) -> None:
    """See that what is counted in iterations can be.

    Raises:
        ConfigError: for a period that is none.
    """
    for key in ("max_iter", "log_period", "checkpointer.period", "accumulation"):
        if OmegaConf.select(cfg.train, key) < 1:
            raise ConfigError(
                f"train.{key} must be 1 or more, got {OmegaConf.select(cfg.train, key)}"
            )
    if cfg.train.early_stopping and not cfg.train.eval_period:
        raise ConfigError("train.early_stopping counts evaluations: set train.eval_period too")


def build_hooks(
    cfg: DictConfig, model: nn.Module, test: Callable[[], dict[str, Any]]
) -> list[HookBase | None]:
    """Schedule, evaluation of `model` by `test`, the best checkpoint and pictures, in the order they run."""
    train = cfg.train
    best = RunCheckpointer(model, train.output_dir, tag=False)
    shows = comm.is_main_process() and train.vis_period
    return [
        hooks.IterationTimer(),
        MemoryUsage(),
        hooks.LRScheduler(scheduler=instantiate(cfg.lr_multiplier)),
        hooks.EvalHook(train.eval_period, test),
        BestCheckpointer(train.eval_period, best, **train.best_checkpointer),
        _visualizer(cfg, model) if shows else None,
    ]


def build_writers(cfg: DictConfig, start_iter: int) -> list[EventWriter]:
    """Progress with ETA to the log, metrics.json, TensorBoard and trackers. They open files in the run folder."""
    if not comm.is_main_process():
        return []
    folder = Path(cfg.train.output_dir)
    return [
        CommonMetricPrinter(cfg.train.max_iter),
        JSONWriter(str(folder / "metrics.json")),
        TensorboardXWriter(str(folder), purge_step=start_iter),
        *build_trackers(cfg.train, folder, OmegaConf.to_container(cfg, resolve=False)),
    ]


def build_last_hooks(
    cfg: DictConfig,
    writers: list[EventWriter],
    checkpointer: RunCheckpointer,
    best: BestCheckpointer,
    signals: StopSignals,
) -> list[HookBase | None]:
    """Metrics, and after all that may change, checkpoints: a resumed run repeats nothing and leaves nothing out."""
    train = cfg.train
    return [
        PeriodicWriter(writers, period=train.log_period) if writers else None,
        PeriodicCheckpointer(checkpointer, **train.checkpointer)
        if comm.is_main_process()
        else None,
        Leave(checkpointer, best, signals, train.max_minutes, train.early_stopping),
    ]


def _visualizer(cfg: DictConfig, model: nn.Module) -> VisualizeDetections:
    dataset_dicts = instantiate(cfg.dataloader.test.dataset)[: cfg.train.vis_images]
    mapper = instantiate(cfg.dataloader.test.mapper)
    return VisualizeDetections(
        cfg.train.vis_period, model, dataset_dicts, mapper, run_metadata(cfg)
    )
