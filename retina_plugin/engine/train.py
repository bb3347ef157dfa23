"""Training and evaluation of a LazyConfig with Detectron2's trainer."""

import argparse
import logging
import platform
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import detectron2
import torch
from detectron2.config import instantiate
from detectron2.engine import HookBase
from detectron2.evaluation import inference_on_dataset, print_csv_format
from detectron2.utils import comm
from omegaconf import DictConfig
from torch import nn
from torch.nn.parallel import DistributedDataParallel
from torch.utils.data import DataLoader

from .. import __version__
from ..config import ConfigError, load_config
from ..data import TrainLoader, named_worker_death
from ..data.worker_signals import shield_worker
from ..evaluation import build_annotated_loader, validation_loss
from ..inference.optimize import optimize_for_inference
from ..run_folder import find_weights, last_evaluation
from ..weights import InitialWeights
from .checkpoint import RunCheckpointer
from .hooks.build import check_train_section
from .layout import share_buffers
from .logs import FILE_ONLY, log_to_file, log_to_terminal
from .output_folder import check_output_dir, keep_rounding, prepare_folder
from .prior import resolve_prior
from .reliability.allocator import keep_freed_memory
from .reliability.folder_lock import run_lock
from .reliability.memory_errors import named_memory_errors
from .reliability.signals import AlreadyEnded, StopRun, stop_signals
from .run import Run
from .run_data import build_evaluator, check_images_exist, record_data, try_evaluator
from .setup import build_model, building, check_omp_threads, resolve_device, set_float32_precision

logger = logging.getLogger(__name__)

Remarks = Callable[[DictConfig], Sequence[str]]
"""A function from a config, after `record_data`, to warnings about it of one line each."""


def main(args: argparse.Namespace, remarks: Remarks | None = None) -> dict[str, Any]:
    """Train or evaluate according to Detectron2's command-line flags; returns the metrics of the evaluation.

    The main process calls `remarks` and logs its warnings when a training begins, unless the training is resumed.

    Raises:
        ValueError, OSError: for invalid input; the message names the key or the file.
    """
    log_to_terminal()
    keep_freed_memory()
    cfg = load_config(args.config_file, args.opts)
    for section in ("model", "dataloader", "optimizer", "lr_multiplier", "train"):
        if cfg.get(section) is None:
            raise ConfigError(f"{args.config_file} is not a training config: it lacks {section}")
    check_omp_threads()
    check_output_dir(cfg.train.output_dir)
    record_data(cfg)
    if args.eval_only:
        return evaluate(cfg, cfg.train.init_checkpoint or find_weights(cfg.train.output_dir))
    is_asked = remarks is not None and not args.resume and comm.is_main_process()
    return do_train(cfg, args.resume, remarks(cfg.copy()) if is_asked else ())


def evaluate(cfg: DictConfig, weights: str | Path) -> dict[str, Any]:
    """Metrics of `weights` on the config's test data, by task and name; AP and AR in percent."""
    check_images_exist(cfg, ["test"])
    set_float32_precision(cfg.train.float32_precision)
    device = resolve_device(cfg.train.device)
    model = build_model(cfg, pretrained=False).to(device)
    RunCheckpointer(model).load_all(str(weights))
    with building(cfg, "dataloader"):
        test_loader = instantiate(cfg.dataloader.test)
    try_evaluator(cfg)
    Path(cfg.train.output_dir, "inference").mkdir(parents=True, exist_ok=True)
    with named_memory_errors(cfg):
        return do_test(cfg, model, test_loader)


def do_train(
    cfg: DictConfig, resume: bool = False, remarks: Sequence[str] = (), hooks: Sequence[HookBase] = ()
) -> dict[str, Any]:
    """Train a config, after `record_data`, and write its run folder; returns the metrics of the final evaluation.

    `remarks` are warnings for the log. `hooks` run after those of `train.hooks` and are not recorded in the config.

    Raises:
        ValueError, OSError: for invalid input; the message names the key or the file.
        FolderInUseError: if another process trains in the run folder.
        FloatingPointError: if a loss or gradient is not finite.
        SystemExit: 128 + signal, after saving a checkpoint, if SIGTERM or SIGINT came.
    """
    check_train_section(cfg)
    check_images_exist(cfg)
    results: dict[str, Any] = {}

    def test(model: nn.Module) -> dict[str, Any]:
        found = do_test(cfg, model, test_loader) or {}
        if annotated_loader is not None:
            found["validation"] = validation_loss(model, annotated_loader)
        results.clear()  # keep no metric that only an earlier evaluation reported
        results.update(found)
        return results

    with stop_signals() as signals, named_memory_errors(cfg), named_worker_death(), run_lock(cfg.train.output_dir):
        with building(cfg, "dataloader"):
            test_loader = _shielded(instantiate(cfg.dataloader.test))
            annotated_loader = _shielded(build_annotated_loader(cfg)) if cfg.train.val_loss else None
        try_evaluator(cfg)  # an error in it would otherwise come after thousands of iterations, and lose them
        prior = resolve_prior(cfg)
        if resume:
            keep_rounding(cfg)
        run = Run(cfg, resume, test, signals, hooks)
        start_iter, origin = run.load(resume)
        prepare_folder(cfg, resume)
        with log_to_file(Path(cfg.train.output_dir, "log.txt")):
            _log_summary(run, prior)
            _log_origin(start_iter, origin)
            for remark in remarks:
                logger.warning(remark)
            try:
                run.train(start_iter)
            except StopRun as stop:
                logger.info("%s", stop)
                if stop.status:
                    raise SystemExit(stop.status) from None
                if isinstance(stop, AlreadyEnded) and comm.is_main_process():
                    results.update(_recorded_results(cfg.train.output_dir))
    return results


def _recorded_results(run_dir: str) -> dict[str, Any]:
    """The metrics of a run's last evaluation, by task and name, from its metrics.json."""
    results: dict[str, Any] = {}
    for key, value in last_evaluation(run_dir).items():
        task, slash, name = key.partition("/")
        if slash:
            results.setdefault(task, {})[name] = value
    return results


def _shielded(loader: Any) -> Any:
    """The loader, with workers that ignore signals meant for the training."""
    if isinstance(loader, DataLoader) and loader.worker_init_fn is None:
        loader.worker_init_fn = shield_worker
    return loader


def do_test(cfg: DictConfig, model: nn.Module, test_loader: Any) -> dict[str, Any]:
    """Metrics of `dataloader.evaluator` over `test_loader`, by task and name; AP and AR in percent.

    Every process evaluates a part of the data, with the buffers of the main process. The detector is first optimized
    for inference and runs in float32.
    """
    share_buffers(model)
    detector = model.module if isinstance(model, DistributedDataParallel) else model
    results = inference_on_dataset(optimize_for_inference(detector), test_loader, build_evaluator(cfg))
    if comm.is_main_process():
        print_csv_format(results)
    return results


def _log_summary(run: Run, prior: str) -> None:
    versions = f"retina_plugin {__version__}, detectron2 {detectron2.__version__}, torch {torch.__version__}"
    logger.info("%s, Python %s", versions, platform.python_version())
    millions = sum(p.numel() for p in run.model.parameters()) / 1e6
    losses = [repr(getattr(run.model, part, None)) for part in ("cls_loss", "box_loss")]
    device = next(run.model.parameters()).device
    logger.info("%.2f M parameters on %s, losses %s and %s", millions, device, *losses)
    if prior:
        logger.info(prior)
    if inexact := run.identity.inexact:
        logger.warning("This run is not bit-identical to one without interruption: %s", inexact)
    if not isinstance(run.trainer.data_loader, TrainLoader):
        loader = run.cfg.dataloader.train._target_
        logger.warning(
            "dataloader.train is %s, which starts a new order of images when a run is resumed; "
            "retina_plugin.data.build_train_loader continues the old one",
            getattr(loader, "__name__", loader),
        )


def _log_origin(start_iter: int, origin: InitialWeights | None) -> None:
    """Log where the weights come from: a summary, and every tensor in the log file only."""
    if origin is None:
        logger.info("Resuming at iteration %d", start_iter)
        return
    logger.info(origin.summary())
    if details := origin.details():
        logger.info(details, extra=FILE_ONLY)
