"""Where the metrics of a training go."""

from pathlib import Path

from detectron2.utils import comm
from detectron2.utils.events import CommonMetricPrinter, EventWriter, JSONWriter, TensorboardXWriter
from omegaconf import DictConfig, OmegaConf

from ...run_folder import METRICS
from . import build_trackers


def build_writers(cfg: DictConfig, start_iter: int) -> list[EventWriter]:
    """Writers to the log (with ETA), metrics.json, TensorBoard and trackers; they open files in the run folder.

    Only the main process has any.
    """
    if not comm.is_main_process():
        return []
    folder = Path(cfg.train.output_dir)
    return [
        CommonMetricPrinter(cfg.train.max_iter),
        JSONWriter(str(folder / METRICS)),
        TensorboardXWriter(str(folder), purge_step=start_iter),
        *build_trackers(cfg.train, folder, OmegaConf.to_container(cfg, resolve=False)),
    ]
