"""What a run needs before its first step: a device, a model and a folder."""

from __future__ import annotations

import contextlib
import logging
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import torch
from detectron2.config import instantiate
from detectron2.layers import FrozenBatchNorm2d
from detectron2.utils import comm
from detectron2.utils.env import seed_all_rng
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import InterpolationToMissingValueError, MissingMandatoryValue
from torch import nn

from ..config import ConfigError
from ..config.save import save_config
from ..config.walk import leaves
from ..files import move_aside
from ..modeling.backbone import without_pretrained_weights
from ..run_folder import CONFIG, LAST_CHECKPOINT, METRICS

logger = logging.getLogger(__name__)
_RUN_FOLDERS = ("inference", "nonfinite", "wandb")
_RUN_FILES = (CONFIG, METRICS, LAST_CHECKPOINT)


def resolve_device(name: str) -> str:
    """The device to run on; "auto" is CUDA where there is one, otherwise the CPU.

    Raises:
        ConfigError: if it is not there.
    """
    if name == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    try:
        torch.empty(1, device=name)
    except (RuntimeError, AssertionError) as e:
        reason = str(e).splitlines()[0]
        raise ConfigError(f"train.device={name!r} is not there: {reason}") from e
    return name


def resolve_dtype(amp: DictConfig, device: str) -> torch.dtype | None:
    """The type of mixed precision, or None for float32.

    Raises:
        ConfigError: for a type that is none, or that the device has not.
    """
    if not amp.enabled:
        return None
    on_cuda = device.startswith("cuda")
    name = ("float16" if on_cuda else "bfloat16") if amp.dtype == "auto" else amp.dtype
    if name not in ("float16", "bfloat16") or (name == "float16" and not on_cuda):
        raise ConfigError(
            f"train.amp.dtype={amp.dtype} is not there on {device}: bfloat16 and, on CUDA, float16 are"
        )
    return getattr(torch, name)


def make_deterministic(wanted: bool) -> None:
    """Refuse operations that may differ from run to run, if `wanted`; torch then names the one that does."""
    torch.use_deterministic_algorithms(wanted)
    if wanted:
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # cuBLAS asks for that
        torch.backends.cudnn.benchmark = False


def freeze(model: nn.Module, names: Sequence[str]) -> None:
    """Make modules of a model stay as they are, their BatchNorm included.

    Raises:
        ConfigError: for a name that is no module of the model.
    """
    modules = dict(model.named_modules())
    for name in names:
        if name not in modules or not name:
            raise ConfigError(
                f"train.freeze names {name!r}, which the model has not: it has {[*dict(model.named_children())]}"
            )
        modules[name].requires_grad_(False)
        parent, _, child = name.rpartition(".")
        setattr(modules[parent], child, FrozenBatchNorm2d.convert_frozen_batchnorm(modules[name]))


def build_model(cfg: DictConfig, pretrained: bool = True) -> nn.Module:
    """The config's model on the CPU, with the same initial weights for the same `train.seed`.

    Args:
        cfg: a config with `model` and `train`.
        pretrained: False leaves ImageNet weights out, for when a checkpoint replaces them.

    Raises:
        ConfigError: if a key that has to be given is missing, or has a value that its part refuses.
    """
    seed_all_rng(cfg.train.seed)
    weights = contextlib.nullcontext() if pretrained else without_pretrained_weights()
    with weights, building(cfg, "model"):
        return instantiate(cfg.model)


@contextlib.contextmanager
def building(cfg: DictConfig, what: str) -> Iterator[None]:
    """Parts are built from the config here: what they refuse is an error of the config.

    Raises:
        ConfigError: with the reason.
    """
    try:
        yield
    except (MissingMandatoryValue, InterpolationToMissingValueError) as e:
        raise ConfigError(missing_key_message(cfg)) from e
    except (ValueError, OSError):
        raise
    except Exception as e:
        raise ConfigError(f"{what} of the config cannot be built: {type(e).__name__}: {e}") from e


def missing_key_message(cfg: DictConfig) -> str:
    """Which keys the config leaves to the user."""
    # omegaconf's own list of missing keys stops at interpolations that lead to one
    values = leaves(OmegaConf.to_container(cfg, resolve=False))
    keys = sorted(key for key, value in values if value == "???")
    return "this config needs values for " + " ".join(f"{key}=..." for key in keys)


def prepare_folder(cfg: DictConfig, resume: bool) -> None:
    """Make the run folder and save the config there. An earlier run in it is moved aside unless it is resumed.

    Raises:
        OSError: if the folder cannot be written to.
        ConfigError: if it holds an earlier run, and folders that do not belong to that.
    """
    folder = Path(cfg.train.output_dir).resolve()
    if comm.is_main_process():
        moved = None if resume else _earlier_run_aside(folder)
        (folder / "inference").mkdir(parents=True, exist_ok=True)
        save_config(cfg, folder / CONFIG)
        logger.info("Run folder %s", folder)
        if moved:
            logger.info("The earlier run there is now in %s", moved)
    comm.synchronize()


def _earlier_run_aside(folder: Path) -> Path | None:
    if not any((folder / name).exists() for name in _RUN_FILES):
        return None
    others = [p.name for p in folder.iterdir() if p.is_dir() and p.name not in _RUN_FOLDERS]
    if others:
        raise ConfigError(
            f"train.output_dir={folder} holds an earlier run and other folders ({', '.join(others)}): choose another"
        )
    return move_aside(folder)
