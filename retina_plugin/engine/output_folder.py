"""The run folder before training."""

import logging
from pathlib import Path

from detectron2.utils import comm
from omegaconf import DictConfig

from ..config import ConfigError
from ..config.yaml_file import save_config
from ..files import check_regular, move_aside, remove_leftovers
from ..run_folder import CONFIG, FINAL_CHECKPOINT, LAST_CHECKPOINT, LOG, METRICS

logger = logging.getLogger(__name__)
_RUN_FOLDERS = ("inference", "nonfinite", "wandb")
_FILES = (CONFIG, METRICS, LOG, LAST_CHECKPOINT, FINAL_CHECKPOINT)


def prepare_folder(cfg: DictConfig, resume: bool) -> None:
    """Create the run folder and save the config there. An earlier run in it is moved aside unless it is resumed.

    Raises:
        OSError: if the folder cannot be written to, or if a link or a folder is in the place of one of its files.
        ConfigError: if it holds an earlier run and folders that are not part of a run.
    """
    folder = Path(cfg.train.output_dir).resolve()
    if comm.is_main_process():
        moved = None if resume else _move_earlier_run(folder)
        for name in _FILES:
            check_regular(folder / name)
        for part in ("inference", "nonfinite", ""):
            remove_leftovers(folder / part)
        (folder / "inference").mkdir(parents=True, exist_ok=True)
        save_config(cfg, folder / CONFIG)
        logger.info("Run folder %s", folder)
        if moved:
            logger.info("The earlier run there is now in %s", moved)
    comm.synchronize()


def _move_earlier_run(folder: Path) -> Path | None:
    if not any((folder / name).exists() for name in (CONFIG, METRICS, LAST_CHECKPOINT)):
        return None
    if others := [p.name for p in folder.iterdir() if p.is_dir() and p.name not in _RUN_FOLDERS]:
        raise ConfigError(
            f"train.output_dir={folder} holds an earlier run and other folders ({', '.join(others)}): choose another"
        )
    return move_aside(folder)
