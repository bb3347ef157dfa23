"""Weights & Biases and MLflow for those who ask for them: scalars by iteration, the config as run parameters."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from detectron2.utils.events import EventWriter
from omegaconf import DictConfig, OmegaConf

from ...config import ConfigError
from .mlflow_writer import MLflowWriter
from .wandb_writer import WandbWriter

__all__ = ["MLflowWriter", "WandbWriter", "build_trackers"]


def build_trackers(
    train: DictConfig, run_dir: str | Path, config: Mapping[str, Any]
) -> list[EventWriter]:
    """The writers that `train.wandb` and `train.mlflow` ask for; for the main process only.

    Args:
        train: the section; null is no tracker, a mapping its arguments.
        run_dir: run folder; it keeps the tracker's id of the run, so that a resumed run goes on there.
        config: the whole config as plain values.

    Raises:
        ConfigError: if the library is not installed, or refuses the arguments.
    """
    writers = []
    for key, writer in {"wandb": WandbWriter, "mlflow": MLflowWriter}.items():
        if (arguments := train.get(key)) is None:
            continue
        if not OmegaConf.is_dict(arguments):
            raise ConfigError(f"train.{key}={arguments} must be keys of its own, or null")
        try:
            arguments = OmegaConf.to_container(arguments, resolve=True)
            writers.append(writer(Path(run_dir), config, **arguments))
        except ConfigError:
            raise
        except Exception as e:  # each library has errors of its own
            raise ConfigError(f"train.{key}={arguments} cannot be used: {e}") from e
    return writers
