"""Time and peak memory of training steps, of Detectron2's RetinaNet and trainer and of this package's.

Run as a module, it measures the memory of one side in a fresh process and prints it as JSON.
"""

import copy
import itertools
import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from functools import partial

import torch
from detectron2.config import instantiate
from detectron2.engine import SimpleTrainer
from detectron2.layers import FrozenBatchNorm2d
from detectron2.utils.events import EventStorage
from omegaconf import DictConfig
from torch import nn

from ..config import load_config
from ..engine.reliability.allocator import keep_freed_memory
from ..engine.reliability.guard import NonFiniteGuard
from ..engine.setup import build_model, freeze, resolve_device, resolve_dtype
from ..engine.trainer import Batch, Trainer, Update
from ..modeling import optimize_for_training
from .infer import stock_retinanet
from .memory import peak_mb
from .pairs import WARM_UP, time_in_turn


def benchmark_step(config_file: str, steps: int, overrides: Sequence[str] = ()) -> dict[str, dict[str, float]]:
    """Seconds of a training step from batch to update, ratios to Detectron2's, and peaks of memory in MB.

    Both sides have the same initial weights, batches and optimizer, and no clipping, which Detectron2's trainer lacks.
    The batches are loaded before. Detectron2's RetinaNet has its own losses: the config must have focal loss and L1 for
    the same work. It trains in float32, since its mixed precision needs CUDA; `retina_plugin` as `tools/train_net.py`.
    """
    keep_freed_memory()
    cfg = load_config(config_file, overrides)
    batches = _batches(cfg, steps + WARM_UP)
    trainers = {side: build(cfg, copy.deepcopy(batches)) for side, build in _SIDES.items()}
    found = time_in_turn({name: partial(_step, trainer) for name, trainer in trainers.items()}, steps)
    for side in found:
        found[side]["peak_mb"] = _memory_apart(config_file, overrides, side)
    return found


def _batches(cfg: DictConfig, number: int) -> list[Batch]:
    return list(itertools.islice(instantiate(cfg.dataloader.train), number))


def _ours(cfg: DictConfig, batches: list[Batch]) -> SimpleTrainer:
    model = _build(cfg)
    if cfg.train.optimize_model and model.device.type == "cpu":
        optimize_for_training(model)
    update = Update(seed=cfg.train.seed, dtype=resolve_dtype(cfg.train.amp, str(model.device)))
    return Trainer(model, batches, _optimizer(cfg, model), update, NonFiniteGuard("stop", tempfile.gettempdir()))


def _theirs(cfg: DictConfig, batches: list[Batch]) -> SimpleTrainer:
    model = stock_retinanet(_build(cfg)).train()
    return SimpleTrainer(model, batches, _optimizer(cfg, model))


_SIDES = {"detectron2": _theirs, "retina_plugin": _ours}


def _build(cfg: DictConfig) -> nn.Module:
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


def _memory_apart(config_file: str, overrides: Sequence[str], side: str) -> float:
    """Peak memory of a side in a fresh process, in MB."""
    arguments = json.dumps([config_file, list(overrides), side])
    command = [sys.executable, "-W", "ignore", "-m", __name__, arguments]
    return json.loads(subprocess.run(command, check=True, capture_output=True).stdout.splitlines()[-1])


def _memory(config_file: str, overrides: Sequence[str], side: str) -> float:
    keep_freed_memory()
    cfg = load_config(config_file, overrides)
    batches = _batches(cfg, WARM_UP)
    trainer = _SIDES[side](cfg, batches)
    for _ in batches:
        _step(trainer)
    return peak_mb()


if __name__ == "__main__":
    print(json.dumps(_memory(*json.loads(sys.argv[1]))))
