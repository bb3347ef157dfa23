"""One training with all its parts, built from a config."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from detectron2.config import instantiate
from detectron2.engine import HookBase
from detectron2.engine.defaults import create_ddp_model
from detectron2.utils import comm
from detectron2.utils.env import seed_all_rng
from detectron2.utils.events import EventWriter
from omegaconf import DictConfig, OmegaConf
from torch import nn

from ..config import ConfigError
from ..modeling import optimize_for_training, recompute_activations
from ..run_folder import IMBALANCE, METRICS, parse_imbalance
from ..weights import InitialWeights
from .checkpoint import RunCheckpointer
from .ema import WeightAverage
from .hooks.build import build_hooks
from .hooks.metrics_state import MetricsState, cut_metrics
from .reliability.guard import NonFiniteGuard
from .reliability.identity import RunIdentity
from .reliability.signals import StopSignals
from .run_data import initial_classes
from .setup import build_model, building, configure_torch, freeze, resolve_device, resolve_dtype
from .trackers import build_writers
from .trainer import Trainer, Update


class Run:
    """Model, data, trainer and checkpoints of a config. `evaluated` is the model to evaluate, maybe the average."""

    def __init__(
        self,
        cfg: DictConfig,
        resume: bool,
        test: Callable[[nn.Module], dict[str, Any]],
        signals: StopSignals,
        hooks: Sequence[HookBase] = (),
    ) -> None:
        """`test` returns the metrics of a model. Raises ConfigError for a value that a part rejects."""
        configure_torch(cfg.train)
        device = resolve_device(cfg.train.device)
        self.cfg = cfg
        self.model = build_model(cfg, pretrained=not resume).to(device)
        freeze(self.model, cfg.train.freeze or ())
        if cfg.train.optimize_model and device == "cpu":
            optimize_for_training(self.model)
        if cfg.train.activation_checkpointing:
            recompute_activations(self.model)
        decay = cfg.train.ema_decay
        self.average = None if decay is None else WeightAverage(self.model, decay)
        self.evaluated = self.model if self.average is None else self.average.model
        self.trainer = self._build_trainer(device)
        self.identity = RunIdentity(cfg, getattr(self.trainer.data_loader, "fingerprint", ""), device)
        parts = {"run": self.identity, "trainer": self.trainer}
        parts |= {} if self.average is None else {"ema": self.average}
        self.checkpointer = RunCheckpointer(self.trainer.model, cfg.train.output_dir, **parts)
        self.metrics_file = Path(cfg.train.output_dir, METRICS)
        self.writers: list[EventWriter] = []  # opened when training begins
        self.metrics_state = MetricsState(self.metrics_file, self.writers)
        self.trainer.register_hooks(build_hooks(self, test, signals, hooks))

    def load(self, resume: bool) -> tuple[int, InitialWeights | None]:
        """Load weights, and with `resume` all other state.

        Returns the first iteration to train, and the origin of the initial weights (None for a resumed run).

        Raises:
            CheckpointError: if the checkpoint does not exist, is damaged, or belongs to another model.
            ConfigError: if the resumed run began with another config or other data, or has trained for more iterations
                than `train.max_iter`.
        """
        if not resume:
            return 0, self.checkpointer.load_some(self.cfg.train.init_checkpoint, initial_classes(self.cfg))
        options = [{k: v for k, v in group.items() if k != "params"} for group in self.trainer.optimizer.param_groups]
        start_iter = self.checkpointer.resume()
        if self.cfg.train.accept_changes:  # the optimizer has loaded the options of its checkpoint
            for group, configured in zip(self.trainer.optimizer.param_groups, options, strict=True):
                group.update(configured, initial_lr=configured["lr"])
        if start_iter > self.cfg.train.max_iter:
            raise ConfigError(
                f"train.max_iter={self.cfg.train.max_iter} is less than the {start_iter} iterations that the run in "
                f"{self.cfg.train.output_dir} has trained: set train.max_iter={start_iter} or more"
            )
        if start_iter == self.cfg.train.max_iter:
            self.checkpointer.keep_as_final()
        if comm.is_main_process():
            cut_metrics(self.metrics_file, self.metrics_state.last_write(start_iter))
            cut_metrics(self.metrics_file.with_name(IMBALANCE), start_iter - 1, parse_imbalance)
        return start_iter, None

    def train(self, start_iter: int) -> None:
        """Train from `start_iter` on, writing into the run folder; raises StopRun if there is a reason to end early."""
        self.writers += build_writers(self.cfg, start_iter)
        if hasattr(self.trainer.data_loader, "start_iter"):
            self.trainer.data_loader.start_iter = start_iter
        self.trainer.train(start_iter, self.cfg.train.max_iter)

    def _build_trainer(self, device: str) -> Trainer:
        train = self.cfg.train
        with building(self.cfg, "optimizer"):
            self.cfg.optimizer.params.model = self.model
            # as plain lists, because PyTorch before 2.6 would save omegaconf's lists in checkpoints
            optimizer = instantiate(OmegaConf.to_container(self.cfg.optimizer, resolve=True))
            del self.cfg.optimizer.params.model  # the config is saved later
        with building(self.cfg, "dataloader"):
            seed_all_rng(train.seed)  # for samplers that take no seed
            loader = instantiate(self.cfg.dataloader.train)
        dtype = resolve_dtype(train.amp, device)
        update = Update(train.seed, dtype, train.accumulation, train.clip_grad_norm)
        guard = NonFiniteGuard(train.nonfinite, Path(train.output_dir, "nonfinite"))
        model = create_model_for_processes(self.model, device, train.ddp)
        return Trainer(model, loader, optimizer, update, guard)


def create_model_for_processes(model: nn.Module, device: str, ddp: DictConfig) -> nn.Module:
    """Detectron2's `create_ddp_model`, which then also works for processes without a GPU."""
    devices = {} if device.startswith("cuda") else {"device_ids": None}
    return create_ddp_model(model, **ddp, **devices)
