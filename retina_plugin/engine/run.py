"""One training with all its parts, built from a config."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from detectron2.config import instantiate
from detectron2.engine import hooks
from detectron2.engine.defaults import create_ddp_model
from detectron2.utils.env import seed_all_rng
from omegaconf import DictConfig, OmegaConf
from torch import nn

from .checkpoint import RunCheckpointer
from .ema import WeightAverage
from .hooks.build import build_hooks, build_last_hooks, build_writers, check_periods
from .hooks.detectron2_hooks import BestCheckpointer
from .hooks.metrics_state import MetricsMemory, cut_metrics
from .reliability.guard import NonFiniteGuard
from .reliability.identity import RunIdentity
from .reliability.signals import StopSignals
from .setup import (
    build_model,
    building,
    freeze,
    make_deterministic,
    resolve_device,
    resolve_dtype,
)
from .trainer import Trainer, Update

__all__ = ["Run", "create_model_for_processes"]


class Run:
    """Model, data, trainer and checkpoints of a config. `evaluated` is the model whose weights are measured."""

    def __init__(
        self, cfg: DictConfig, resume: bool, test: Callable[[nn.Module], dict[str, Any]]
    ) -> None:
        """`test` gives the metrics of a model.

        Raises:
            ConfigError: for a part that its value does not fit.
        """
        check_periods(cfg)
        make_deterministic(cfg.train.deterministic)
        device = resolve_device(cfg.train.device)
        self.cfg = cfg
        self.model = build_model(cfg, pretrained=not resume).to(device)
        freeze(self.model, cfg.train.freeze)
        decay = cfg.train.ema_decay
        self.average = None if decay is None else WeightAverage(self.model, decay)
        self.evaluated = self.model if self.average is None else self.average.model
        self.metrics_file = Path(cfg.train.output_dir, "metrics.json")
        self.memory = MetricsMemory(self.metrics_file)
        self.trainer = self._build_trainer(device)
        self._register_hooks(test)
        self.checkpointer = self._build_checkpointer()

    def load(self, resume: bool) -> tuple[int, str]:
        """The iteration to begin with, and where the weights are from.

        Raises:
            CheckpointError: if the checkpoint is absent, damaged, or of another model.
            ConfigError: if a run is resumed that began with another config or other data.
        """
        if not resume:
            return 0, self.checkpointer.load_some(self.cfg.train.init_checkpoint)
        start_iter = self.checkpointer.resume()
        if start_iter >= self.cfg.train.max_iter:
            self.checkpointer.keep_as_final()
        cut_metrics(self.metrics_file, self.memory.last_write(start_iter))
        return start_iter, f"Resuming at iteration {start_iter}"

    def train(self, start_iter: int, signals: StopSignals) -> None:
        """Train from `start_iter` on, writing into the run folder.

        Raises:
            StopRun: if there is a reason to leave before the end.
        """
        writers = build_writers(self.cfg, start_iter)
        self.memory.watch(writers)
        self.trainer.register_hooks(
            build_last_hooks(self.cfg, writers, self.checkpointer, self._best, signals)
        )
        if hasattr(self.trainer.data_loader, "start_iter"):
            self.trainer.data_loader.start_iter = start_iter
        self.trainer.train(start_iter, self.cfg.train.max_iter)

    def _build_trainer(self, device: str) -> Trainer:
        train = self.cfg.train
        with building(self.cfg, "optimizer"):
            self.cfg.optimizer.params.model = self.model
            # with plain lists, because PyTorch before 2.6 saves them in checkpoints as they are
            optimizer = instantiate(OmegaConf.to_container(self.cfg.optimizer, resolve=True))
            del self.cfg.optimizer.params.model  # the config is saved later
        with building(self.cfg, "dataloader"):
            seed_all_rng(train.seed)  # of samplers without a seed of their own
            loader = instantiate(self.cfg.dataloader.train)
        dtype = resolve_dtype(train.amp, device)
        update = Update(train.seed, dtype, train.accumulation, train.clip_grad_norm)
        guard = NonFiniteGuard(train.nonfinite, Path(train.output_dir, "nonfinite"))
        model = create_model_for_processes(self.model, device, train.ddp)
        return Trainer(model, loader, optimizer, update, guard)

    def _register_hooks(self, test: Callable[[nn.Module], dict[str, Any]]) -> None:
        if self.average is not None:
            average = self.average
            self.trainer.register_hooks([hooks.CallbackHook(after_step=lambda _: average.update())])
        with building(self.cfg, "lr_multiplier or train"):
            parts = build_hooks(self.cfg, self.evaluated, lambda: test(self.evaluated))
        (self._best,) = [part for part in parts if isinstance(part, BestCheckpointer)]
        self.trainer.register_hooks([*parts, self.memory])

    def _build_checkpointer(self) -> RunCheckpointer:
        fingerprint = getattr(self.trainer.data_loader, "fingerprint", "")
        parts = {"run": RunIdentity(self.cfg, fingerprint), "trainer": self.trainer}
        parts |= {} if self.average is None else {"ema": self.average}
        return RunCheckpointer(self.trainer.model, self.cfg.train.output_dir, **parts)


def create_model_for_processes(model: nn.Module, device: str, ddp: DictConfig) -> nn.Module:
    """Detectron2's `create_ddp_model`, which takes it for granted that every process has a GPU."""
    devices = {} if device.startswith("cuda") else {"device_ids": None}
    return create_ddp_model(model, **ddp, **devices)
