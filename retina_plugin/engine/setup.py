"""What a run needs before its first step: device, precision, model."""

import contextlib
import os
import traceback
from collections.abc import Iterator, Sequence
from pathlib import Path

import torch
from detectron2.config import instantiate
from detectron2.layers import FrozenBatchNorm2d
from detectron2.utils.env import seed_all_rng
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import InterpolationToMissingValueError, MissingMandatoryValue
from torch import nn

from ..config import ConfigError
from ..config.device import default_device, why_unavailable
from ..config.walk import leaves
from ..data.errors import DataError, with_key
from ..modeling.backbone import without_pretrained_weights
from ..modeling.losses import STATIONARY

PRIOR = "model.head.prior_prob"
_OWN_DATA = ": *_images are folders of images, *_json a COCO json or labels of VOC or YOLO; see docs/own_data.md"
_MOST_THREADS = 9999
_BATCH_NORMS = (nn.BatchNorm2d, nn.SyncBatchNorm)
_PRECISIONS = ("highest", "high", "medium")
_SEEDS = 2**32  # numpy's seeds are below


def resolve_device(name: str) -> str:
    """The device to run on; "auto" is a GPU if available, else the CPU. Raises ConfigError if `name` is unavailable."""
    if name == "auto":
        return default_device()
    if reason := why_unavailable(name):
        raise ConfigError(f"train.device={name!r} is not available: {reason}. This machine has {default_device()!r}")
    return name


def resolve_dtype(amp: DictConfig, device: str) -> torch.dtype | None:
    """The dtype of mixed precision, or None for float32. Raises ConfigError for a dtype the device does not support."""
    if not amp.enabled:
        return None
    on_cuda = device.startswith("cuda")
    name = ("float16" if on_cuda else "bfloat16") if amp.dtype == "auto" else amp.dtype
    supported = ("bfloat16", "float16") if on_cuda else ("bfloat16",)
    if name not in supported:
        raise ConfigError(f"train.amp.dtype={amp.dtype} is not supported on {device}: use {' or '.join(supported)}")
    return getattr(torch, name)


def count_cores() -> int:
    """Number of cores that this process may use, or of the machine if the system has no affinity."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def check_omp_threads() -> int | None:
    """The number of threads that the environment variable OMP_NUM_THREADS asks for, None if it is not set.

    Raises:
        ConfigError: if it is not a whole number from 1 to 9999; OpenMP would ignore such a value.
    """
    value = os.environ.get("OMP_NUM_THREADS", "").partition(",")[0].strip()
    if not value:
        return None
    if not (value.isascii() and value.isdigit()) or not 1 <= int(value[:9]) <= _MOST_THREADS:
        raise ConfigError(
            f"the environment variable OMP_NUM_THREADS={value[:40]!r} must be a whole number of 1 or more, and at most "
            f"{_MOST_THREADS}: set or unset it"
        )
    return int(value)


def configure_torch(train: DictConfig) -> None:
    """Apply `train.deterministic`, `train.cudnn_benchmark` and `train.float32_precision` to this process.

    The last two have the same meaning as in Detectron2's `default_setup`. With `deterministic`, torch raises an error
    that names any operation whose result may differ from run to run.

    Raises:
        ConfigError: for an unknown precision, or if cuDNN is to be both deterministic and benchmarked.
    """
    if train.deterministic and train.cudnn_benchmark:
        raise ConfigError(
            "train.deterministic=True needs train.cudnn_benchmark=False: cuDNN may choose other algorithms in every run"
        )
    if train.deterministic or torch.are_deterministic_algorithms_enabled():
        torch.use_deterministic_algorithms(train.deterministic)  # slow: imports torch's compiler
    torch.backends.cudnn.benchmark = bool(train.cudnn_benchmark)
    if train.deterministic:
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # cuBLAS requires it
    set_float32_precision(train.float32_precision)


def set_float32_precision(precision: str) -> None:
    """Set torch's precision of float32 products and convolutions on CUDA; an empty string leaves it as it is.

    Raises:
        ConfigError: for an unknown precision.
    """
    if precision not in ("", *_PRECISIONS):
        raise ConfigError(
            f"train.float32_precision={precision!r} is unknown: use one of {', '.join(_PRECISIONS)}, or ''"
        )
    if precision and torch.cuda.is_available():
        torch.set_float32_matmul_precision(precision)
        torch.backends.cudnn.allow_tf32 = precision != "highest"


def freeze(model: nn.Module, names: Sequence[str]) -> None:
    """Exclude modules and their BatchNorm statistics from training.

    Raises:
        ConfigError: for an unknown name, or if nothing is left to train.
    """
    modules = dict(model.named_modules())
    for name in names:
        if name not in modules or not name:
            raise ConfigError(
                f"train.freeze names {name!r}, but the model has no such module; its parts are "
                f"{', '.join(dict(model.named_children()))}"
            )
        modules[name].requires_grad_(False)
        parent, _, child = name.rpartition(".")
        setattr(modules[parent], child, _with_fixed_statistics(modules[name]))
    if names and not any(parameter.requires_grad for parameter in model.parameters()):
        raise ConfigError(f"train.freeze=[{','.join(names)}] leaves no weights to train: name fewer modules")


def _with_fixed_statistics(module: nn.Module) -> nn.Module:
    """The module with FrozenBN in place of BatchNorm, and with the same names in its state dict."""
    norms = [name for name, x in module.named_modules() if isinstance(x, _BATCH_NORMS) and not x.affine]
    frozen = FrozenBatchNorm2d.convert_frozen_batchnorm(module)
    for norm in map(frozen.get_submodule, norms):
        for name in ("weight", "bias"):
            norm.register_buffer(name, getattr(norm, name), persistent=False)
    return frozen


def check_seed(seed: object) -> None:
    """Raise ConfigError unless `seed`, the value of `train.seed`, is a whole number from 0 to 2**32 - 1."""
    if not isinstance(seed, int) or not 0 <= seed < _SEEDS:
        raise ConfigError(f"train.seed must be a whole number from 0 to {_SEEDS - 1}, got {seed}")


def build_model(cfg: DictConfig, pretrained: bool = True) -> nn.Module:
    """The config's model on the CPU, with the same initial weights for the same `train.seed`.

    `pretrained=False` skips loading ImageNet weights, for when a checkpoint replaces them.

    Raises:
        ConfigError: if a required key is missing, or a part rejects a value.
    """
    check_seed(cfg.train.seed)
    seed_all_rng(cfg.train.seed)
    if not pretrained and OmegaConf.select(cfg, PRIOR) == STATIONARY:
        cfg = cfg.copy()
        cfg.model.head.prior_prob = 0.5  # any number: the checkpoint replaces the bias that it sets
    weights = contextlib.nullcontext() if pretrained else without_pretrained_weights()
    with weights, building(cfg, "model"):
        return instantiate(cfg.model)


@contextlib.contextmanager
def building(cfg: DictConfig, what: str) -> Iterator[None]:
    """Turn errors of building `what` from the config into a ConfigError.

    An OSError, and a ValueError that names `what`, pass unchanged. If a DataError is about a file that the config
    names, the config key is added to its message.
    """
    try:
        yield
    except (MissingMandatoryValue, InterpolationToMissingValueError) as e:
        # omegaconf's own list of missing keys stops at an interpolation of one
        values = leaves(OmegaConf.to_container(cfg, resolve=False))
        keys = sorted(key for key, value in values if value == "???")
        hint = _OWN_DATA if any(key.startswith("data.") for key in keys) else ""
        raise ConfigError("this config needs values for " + " ".join(f"{key}=..." for key in keys) + hint) from e
    except DataError as e:
        raise DataError(with_key(str(e), e.code, OmegaConf.to_container(cfg, resolve=False)), e.code) from e
    except (ConfigError, UnicodeError, OSError):
        raise
    except Exception as e:
        if isinstance(e, ValueError) and what in str(e):
            raise
        raise ConfigError(f"{what} of the config cannot be built: {type(e).__name__}: {_reason(e)}") from e


def _reason(error: Exception) -> str:
    """What an error says, or for a bare assertion, as of Detectron2's Matcher, what it asserts and where."""
    if str(error):
        return str(error)
    last = traceback.extract_tb(error.__traceback__)[-1]
    return f"{last.line} ({Path(last.filename).name})"
