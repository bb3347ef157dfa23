"""Where the metrics of a training go: Detectron2's writers, and optional ones to Weights & Biases and MLflow."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from detectron2.utils import comm
from detectron2.utils.events import CommonMetricPrinter, EventWriter
from omegaconf import DictConfig, OmegaConf

from ...config import ConfigError
from ...run_folder import METRICS
from .file_writers import MetricsWriter, TensorBoardWriter
from .mlflow_writer import MLflowWriter
from .wandb_writer import WandbWriter

__all__ = ["MLflowWriter", "WandbWriter", "build_trackers", "build_writers"]


def build_writers(cfg: DictConfig, start_iter: int) -> list[EventWriter]:
    """Writers to the log (with ETA), metrics.json, TensorBoard and trackers; only the main process has any."""
    if not comm.is_main_process():
        return []
    folder = Path(cfg.train.output_dir)
    return [
        CommonMetricPrinter(cfg.train.max_iter),
        MetricsWriter(folder / METRICS),
        TensorBoardWriter(folder, purge_step=start_iter),
        *build_trackers(cfg.train, folder, OmegaConf.to_container(cfg, resolve=False)),
    ]


def build_trackers(train: DictConfig, run_dir: str | Path, config: Mapping[str, Any]) -> list[EventWriter]:
    """The writers that `train.wandb` and `train.mlflow` configure, each null or a mapping with its arguments.

    They send scalars by iteration, and the plain values of `config` as parameters of the run. The run folder stores the
    tracker's id of the run, so that a resumed run continues it.

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
            writers.append(writer(Path(run_dir), config, **OmegaConf.to_container(arguments, resolve=True)))
        except ConfigError:
            raise
        except Exception as e:  # each library raises other types
            raise ConfigError(f"train.{key}={arguments} cannot be used: {e}") from e
    return writers
