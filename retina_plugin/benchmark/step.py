"""Time training steps of this package's loader and trainer and of Detectron2's in turn."""

import copy
import statistics
import tempfile
import time
from collections.abc import Sequence

import torch
from detectron2.config import instantiate
from detectron2.data import build_detection_train_loader
from detectron2.engine import SimpleTrainer
from detectron2.utils.events import EventStorage
from omegaconf import DictConfig
from torch import nn

from ..config import load_config
from ..engine.reliability.guard import NonFiniteGuard
from ..engine.setup import build_model, resolve_device
from ..engine.trainer import Trainer, Update


def benchmark_step(config_file: str, steps: int, overrides: Sequence[str] = ()) -> dict[str, float | int]:
    """Median seconds of a whole training step on both sides, and the median ratio of consecutive steps.

    Both sides train the same model on the same images, without clipping, which Detectron2's trainer lacks: two steps
    for warming up, then `steps`.
    """
    cfg = load_config(config_file, overrides)
    ours, theirs = _ours(cfg), _theirs(cfg)
    times = [(_seconds(ours), _seconds(theirs)) for _ in range(steps + 2)][2:]
    return {
        "steps": steps,
        "seconds": statistics.median(a for a, _ in times),
        "seconds_of_detectron2": statistics.median(b for _, b in times),
        "ratio": statistics.median(a / b for a, b in times),
    }


def _ours(cfg: DictConfig) -> Trainer:
    model, optimizer = _model_and_optimizer(cfg)
    guard = NonFiniteGuard("stop", tempfile.gettempdir())
    loader = instantiate(cfg.dataloader.train)
    return Trainer(model, loader, optimizer, Update(seed=cfg.train.seed), guard)


def _theirs(cfg: DictConfig) -> SimpleTrainer:
    settings = copy.deepcopy(cfg.dataloader.train)
    settings._target_ = build_detection_train_loader
    del settings.seed
    model, optimizer = _model_and_optimizer(cfg)
    return SimpleTrainer(model, instantiate(settings), optimizer)


def _model_and_optimizer(cfg: DictConfig) -> tuple[nn.Module, torch.optim.Optimizer]:
    model = build_model(cfg).to(resolve_device(cfg.train.device))
    cfg.optimizer.params.model = model
    optimizer = instantiate(cfg.optimizer)
    del cfg.optimizer.params.model
    return model, optimizer


def _seconds(trainer: SimpleTrainer) -> float:
    trainer.storage = getattr(trainer, "storage", None) or EventStorage()
    start = time.perf_counter()
    with trainer.storage:
        trainer.before_step()
        trainer.run_step()
        trainer.after_step()
    trainer.iter += 1
    return time.perf_counter() - start
