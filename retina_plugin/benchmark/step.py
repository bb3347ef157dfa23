"""Time and peak memory of training steps: RetinaNet of Detectron2, of torchvision, and of this package."""

import copy
import itertools
import statistics
import tempfile
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import torch
from detectron2.config import instantiate
from detectron2.engine import SimpleTrainer
from detectron2.layers import FrozenBatchNorm2d
from detectron2.utils.events import EventStorage
from omegaconf import DictConfig
from torch import nn

from ..config import load_config
from ..engine.hooks.memory_usage import peak_memory_mb
from ..engine.reliability.allocator import keep_freed_memory
from ..engine.reliability.guard import NonFiniteGuard
from ..engine.setup import build_model, configure_torch, freeze, resolve_device, resolve_dtype
from ..engine.trainer import Batch, Trainer, Update
from ..modeling import optimize_for_training, recompute_activations
from .machine import add_rates, count_gflop, multiply_sides
from .memory import call_apart
from .pairs import WARM_UP, Times, build_sides, time_in_turn
from .peers import detectron2_peer, torchvision_peer


def benchmark_step(config_file: str, steps: int, overrides: Sequence[str] = ()) -> Times:
    """Seconds of a training step from batch to update, ratios to Detectron2's, share of the machine, peak memory in MB.

    All sides have the same initial weights, preloaded batches and optimizer, and no clipping, which Detectron2's
    trainer lacks. Detectron2's RetinaNet has its own losses, so the work is equal only for a config with focal loss and
    L1. It trains in float32, since its mixed precision needs CUDA; `retina_plugin` trains as `retina train` does.
    `torchvision_peer` lists the differences of torchvision, which is trained by Detectron2's trainer.
    """
    keep_freed_memory()
    cfg = load_config(config_file, overrides)
    batches = _batches(cfg, steps + WARM_UP)
    trainers = build_sides({side: partial(build, cfg, copy.deepcopy(batches)) for side, build in _SIDES.items()})
    machine = multiply_sides(torch.device(resolve_device(cfg.train.device)))
    found = time_in_turn({name: partial(_step, x) for name, x in trainers.items()} | machine, steps)
    counted = _theirs(cfg, batches[WARM_UP:])
    gflop = statistics.median(count_gflop(partial(_step, counted)) for _ in range(steps))  # sizes of images vary
    add_rates(found, gflop, machine)
    for side in trainers:
        found[side]["peak_mb"] = call_apart(__name__, measure_memory.__name__, config_file, list(overrides), side)
    return found


def measure_memory(config_file: str, overrides: Sequence[str], side: str) -> float:
    """Peak memory in MB of this process after `WARM_UP` training steps of a side."""
    keep_freed_memory()
    cfg = load_config(config_file, overrides)
    batches = _batches(cfg, WARM_UP)
    trainer = _SIDES[side](cfg, batches)
    for _ in batches:
        _step(trainer)
    return peak_memory_mb(torch.device(resolve_device(cfg.train.device)))


def _batches(cfg: DictConfig, number: int) -> list[Batch]:
    return list(itertools.islice(instantiate(cfg.dataloader.train), number))


def _ours(cfg: DictConfig, batches: list[Batch]) -> SimpleTrainer:
    model = _build(cfg)
    if cfg.train.optimize_model and model.device.type == "cpu":
        optimize_for_training(model)
    if cfg.train.activation_checkpointing:
        recompute_activations(model)
    dtype = resolve_dtype(cfg.train.amp, str(model.device))
    update = Update(seed=cfg.train.seed, dtype=dtype, accumulation=cfg.train.accumulation)
    return Trainer(model, batches, _optimizer(cfg, model), update, NonFiniteGuard("stop", tempfile.gettempdir()))


def _theirs(cfg: DictConfig, batches: list[Batch], peer: Callable[[Any], nn.Module] = detectron2_peer) -> SimpleTrainer:
    model = peer(_build(cfg)).train()
    return SimpleTrainer(model, batches, _optimizer(cfg, model))


_SIDES = {"detectron2": _theirs, "torchvision": partial(_theirs, peer=torchvision_peer), "retina_plugin": _ours}


def _build(cfg: DictConfig) -> nn.Module:
    configure_torch(cfg.train)
    model = build_model(cfg).to(resolve_device(cfg.train.device))
    freeze(model, cfg.train.freeze)
    for norm in model.modules():
        if isinstance(norm, FrozenBatchNorm2d) and bool((norm.weight == 1).all()):
            norm.weight.fill_(0.4)  # without pretrained statistics activations would grow until they are not finite
    return model.train()


def _optimizer(cfg: DictConfig, model: nn.Module) -> torch.optim.Optimizer:
    cfg.optimizer.params.model = model
    optimizer = instantiate(cfg.optimizer)
    del cfg.optimizer.params.model
    for group in optimizer.param_groups:
        group["lr"] = 0.0  # so that random weights stay finite
    return optimizer


def _step(trainer: SimpleTrainer) -> None:
    trainer.storage = getattr(trainer, "storage", None) or EventStorage()
    with trainer.storage:
        trainer.before_step()
        trainer.run_step()
        trainer.after_step()
    trainer.iter += 1
