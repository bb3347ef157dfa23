"""Optional writers to Weights & Biases and MLflow: scalars by iteration, and the config as parameters of the run."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from detectron2.utils.events import EventWriter
from omegaconf import DictConfig, OmegaConf

from ...config import ConfigError
from .mlflow_writer import MLflowWriter
from .wandb_writer import WandbWriter

__all__ = ["MLflowWriter", "WandbWriter", "build_trackers"]


def build_trackers(train: DictConfig, run_dir: str | Path, config: Mapping[str, Any]) -> list[EventWriter]:
    """The writers that `train.wandb` and `train.mlflow` configure; for the main process only.

    Args:
        train: the section `train`; for each tracker null, or a mapping with its arguments.
        run_dir: run folder; it stores the tracker's id of the run, so that a resumed run continues it.
        config: the whole config in plain values.

    Raises:
        ConfigError: if the library is not installed, or rejects the arguments.
    """
    writers = []
    for key, writer in {"wandb": WandbWriter, "mlflow": MLflowWriter}.items():
        if (arguments := train.get(key)) is None:
            continue
        if not OmegaConf.is_dict(arguments):
            raise ConfigError(f"train.{key}={arguments} must be a mapping of arguments, or null")
        try:
            arguments = OmegaConf.to_container(arguments, resolve=True)
            writers.append(writer(Path(run_dir), config, **arguments))
        except ConfigError:
            raise
        except Exception as e:  # each library raises other types
            raise ConfigError(f"train.{key}={arguments} cannot be used: {e}") from e
    return writers
