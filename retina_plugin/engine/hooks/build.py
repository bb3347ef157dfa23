"""All hooks of a training, in the order in which they run."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from detectron2.config import instantiate
from detectron2.engine import HookBase, hooks
from detectron2.utils import comm
from omegaconf import DictConfig, OmegaConf
from torch import nn

from ...config import ConfigError
from ..checkpoint import RunCheckpointer
from ..layout import check_accumulation
from ..reliability.signals import StopSignals
from ..setup import building, check_seed
from .detectron2_hooks import BestCheckpointer, PeriodicCheckpointer, PeriodicWriter
from .divergence import DivergenceWarning
from .early_exit import EarlyExit
from .imbalance import ImbalanceRecorder
from .memory_usage import MemoryUsage
from .visualize_detections import VisualizeDetections

if TYPE_CHECKING:
    from ..run import Run

_LEAST = dict.fromkeys(("max_iter", "log_period", "checkpointer.period", "accumulation"), 1)
_LEAST |= dict.fromkeys(("eval_period", "imbalance_period", "vis_period", "vis_images", "early_stopping"), 0)
_OR_NULL = {
    "clip_grad_norm": ("a number above 0", lambda x: x > 0),
    "ema_decay": ("a number between 0 and 1", lambda x: 0 < x < 1),
    "max_minutes": ("a number of 0 or more", lambda x: x >= 0),
    "checkpointer.max_to_keep": ("a whole number of 1 or more", lambda x: type(x) is int and x >= 1),
}


def build_hooks(
    run: "Run", test: Callable[[nn.Module], dict[str, Any]], signals: StopSignals, more: Sequence[HookBase] = ()
) -> list[HookBase]:
    """The hooks of a training. Each of their methods is called in the order of this list.

    Hooks of `train.hooks`, and then `more`, follow evaluation, so they see its metrics, and precede the writers and the
    checkpoint, so what they put into the storage is written and what they change is saved.

    Raises:
        ConfigError: for an argument that a hook refuses, or an entry of `train.hooks` that is not a hook.
    """
    cfg, train, model, average = run.cfg, run.cfg.train, run.evaluated, run.average
    best_file = RunCheckpointer(model, train.output_dir, tag=False)
    main_process = comm.is_main_process()
    with building(cfg, "lr_multiplier or train"):
        best = BestCheckpointer(train.eval_period, best_file, **train.best_checkpointer)
        ordered = [
            run.metrics_state,
            None if average is None else hooks.CallbackHook(after_step=lambda _: average.update()),
            hooks.IterationTimer(),
            MemoryUsage(),
            DivergenceWarning(cfg) if main_process else None,
            ImbalanceRecorder(cfg, run.model) if train.imbalance_period else None,  # evaluations are not recorded
            hooks.LRScheduler(scheduler=instantiate(cfg.lr_multiplier)),
            hooks.EvalHook(train.eval_period, lambda: test(model)),
            best,
            VisualizeDetections(cfg, model) if main_process and train.vis_period else None,
            *_user_hooks(cfg),
            *more,
            PeriodicWriter(run.writers, period=train.log_period),
            PeriodicCheckpointer(run.checkpointer, **train.checkpointer) if main_process else None,
            EarlyExit(run.checkpointer, best, signals, train.max_minutes, train.early_stopping),
        ]
    return [hook for hook in ordered if hook is not None]


def check_train_section(cfg: DictConfig) -> None:
    """Raise ConfigError for settings that would fail or spoil a training only after an earlier run was moved aside.

    These are numbers out of their range, accumulation that does not divide the batch, and early stopping without
    evaluations.
    """
    _check_numbers(cfg)
    batch_size = OmegaConf.select(cfg, "dataloader.train.total_batch_size")
    if isinstance(batch_size, int):
        check_accumulation(batch_size // comm.get_world_size(), cfg.train.accumulation)
    if cfg.train.early_stopping and not cfg.train.eval_period:
        raise ConfigError("train.early_stopping counts evaluations: set train.eval_period too")


def _check_numbers(cfg: DictConfig) -> None:
    for key, least in _LEAST.items():
        value = OmegaConf.select(cfg.train, key)
        if type(value) is not int or value < least:
            raise ConfigError(f"train.{key} must be a whole number of {least} or more, got {value}")
    for key, (expected, fits) in _OR_NULL.items():
        value = OmegaConf.select(cfg.train, key)
        if value is not None and not (isinstance(value, int | float) and fits(value)):
            raise ConfigError(f"train.{key} must be {expected}, or null, got {value}")
    check_seed(cfg.train.seed)
    for name in ("seed", "resample_seed", "num_workers"):
        value = OmegaConf.select(cfg, f"dataloader.train.{name}")
        if isinstance(value, int) and value < 0:
            raise ConfigError(f"dataloader.train.{name} must be 0 or more, got {value}")


def _user_hooks(cfg: DictConfig) -> list[HookBase]:
    found = []
    for i, entry in enumerate(cfg.train.hooks or ()):
        with building(cfg, f"train.hooks[{i}]"):
            hook = instantiate(entry)
        if not isinstance(hook, HookBase):
            raise ConfigError(
                f"train.hooks[{i}] gives {hook!r}, which is not a detectron2.engine.HookBase: "
                "list hooks as L(YourHook)(...), or as {_target_: module.YourHook, ...} on the command line"
            )
        found.append(hook)
    return found
