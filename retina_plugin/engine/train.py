"""Training and evaluation of a LazyConfig with Detectron2's trainer."""

from __future__ import annotations

import argparse
import logging
import platform
from pathlib import Path
from typing import Any

import detectron2
import torch
from detectron2.config import instantiate
from detectron2.engine import AMPTrainer, SimpleTrainer
from detectron2.engine.defaults import create_ddp_model
from detectron2.evaluation import inference_on_dataset, print_csv_format
from detectron2.utils import comm
from detectron2.utils.env import seed_all_rng
from omegaconf import DictConfig
from torch import nn

from .. import __version__
from ..config import ConfigError, load_config
from .build_hooks import build_hooks, build_writer
from .checkpoint import RunCheckpointer, find_weights
from .logs import log_to_file, log_to_terminal
from .run_data import record_data
from .setup import build_model, building, prepare_folder, resolve_device

__all__ = ["do_test", "do_train", "main"]

logger = logging.getLogger(__name__)


def main(args: argparse.Namespace) -> dict[str, Any]:
    """Train or evaluate as Detectron2's command-line flags say; the metrics of the evaluation.

    Raises:
        ValueError, OSError: for input that cannot be used; the message names the key or the file.
    """
    log_to_terminal()
    cfg = load_config(args.config_file, args.opts)
    for section in ("model", "dataloader", "optimizer", "lr_multiplier", "train"):
        if cfg.get(section) is None:
            raise ConfigError(f"{args.config_file} is no training config: it has no {section}")
    record_data(cfg)
    if args.eval_only:
        weights = cfg.train.init_checkpoint or find_weights(cfg.train.output_dir)
        return evaluate(cfg, weights)
    return do_train(cfg, args.resume)


def evaluate(cfg: DictConfig, weights: str | Path) -> dict[str, Any]:
    """Metrics of `weights` on the config's test data, by task and name, in percent."""
    model = build_model(cfg, pretrained=False).to(resolve_device(cfg.train.device))
    RunCheckpointer(model).load_all(str(weights))
    Path(cfg.train.output_dir, "inference").mkdir(parents=True, exist_ok=True)
    return do_test(cfg, create_ddp_model(model), instantiate(cfg.dataloader.test))


def do_train(cfg: DictConfig, resume: bool = False) -> dict[str, Any]:
    """Train a config into its run folder; the metrics of the final evaluation.

    Args:
        cfg: checked and with its data recorded.
        resume: go on from the last checkpoint of `train.output_dir`.
    """
    device = resolve_device(cfg.train.device)
    if cfg.train.amp.enabled and not device.startswith("cuda"):
        raise ConfigError(f"train.amp.enabled needs CUDA, but train.device is {device}")
    model = build_model(cfg, pretrained=not resume).to(device)
    with building(cfg, "optimizer"):
        optimizer = build_optimizer(cfg, model)
    with building(cfg, "dataloader"):
        test_loader = instantiate(cfg.dataloader.test)
        seed_all_rng(cfg.train.seed + comm.get_rank())  # the same images whatever the model drew
        train_loader = instantiate(cfg.dataloader.train)
    ddp_model = create_ddp_model(model, **cfg.train.ddp)
    trainer_class = AMPTrainer if cfg.train.amp.enabled else SimpleTrainer
    trainer = trainer_class(ddp_model, train_loader, optimizer)
    checkpointer = RunCheckpointer(ddp_model, cfg.train.output_dir, trainer=trainer)
    results: dict[str, Any] = {}

    def test() -> dict[str, Any]:
        results.update(do_test(cfg, ddp_model, test_loader) or {})
        return results

    with building(cfg, "lr_multiplier or train"):
        trainer.register_hooks(build_hooks(cfg, model, checkpointer, test))
    if resume:
        start_iter = checkpointer.resume()
        origin = f"Resuming at iteration {start_iter}"
    else:
        start_iter, origin = 0, checkpointer.load_some(cfg.train.init_checkpoint)
    prepare_folder(cfg, resume)
    trainer.register_hooks(build_writer(cfg))
    with log_to_file(Path(cfg.train.output_dir, "log.txt")):
        _log_facts(model, device, origin)
        trainer.train(start_iter, cfg.train.max_iter)
    return results


def do_test(cfg: DictConfig, model: nn.Module, test_loader: Any) -> dict[str, Any]:
    """Metrics of `dataloader.evaluator` over `test_loader`, by task and name, in percent."""
    results = inference_on_dataset(model, test_loader, instantiate(cfg.dataloader.evaluator))
    if comm.is_main_process():
        print_csv_format(results)
    return results


def build_optimizer(cfg: DictConfig, model: nn.Module) -> torch.optim.Optimizer:
    """The config's optimizer over `model`, with `train.clip_grad_norm`."""
    cfg.optimizer.params.model = model
    optimizer = instantiate(cfg.optimizer)
    del cfg.optimizer.params.model  # the config is saved later
    limit = cfg.train.clip_grad_norm

    def clip(*_: Any) -> None:
        nn.utils.clip_grad_norm_(model.parameters(), limit)

    if limit is not None:
        # within the step, and so after mixed precision has divided its scale out
        optimizer.register_step_pre_hook(clip)
    return optimizer


def _log_facts(model: nn.Module, device: str, origin: str) -> None:
    versions = f"retina_plugin {__version__}, detectron2 {detectron2.__version__}, torch {torch.__version__}"
    logger.info("%s, Python %s", versions, platform.python_version())
    millions = sum(p.numel() for p in model.parameters()) / 1e6
    losses = [repr(getattr(model, part, None)) for part in ("cls_loss", "box_loss")]
    logger.info("%.2f M parameters on %s, losses %s and %s", millions, device, *losses)
    logger.info(origin)
